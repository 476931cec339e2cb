package canary

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// Every partition has its turn, and neither numbers nor times are used twice, also
// by a clock that is set back.
func TestTurns(t *testing.T) {
	b := newBook(time.Minute, noon)
	var partitions []int32
	last := Canary{Number: uint64(noon.UnixMilli()), At: noon.UnixMilli() - 1}
	for i := range 7 {
		now := at(float64(i))
		if i == 4 {
			now = at(-3600)
		}
		c := b.begin(now, 3)
		if c.Number != last.Number+1 || c.At <= last.At {
			t.Errorf("%+v follows %+v", c, last)
		}
		partitions, last = append(partitions, c.Partition), c
	}
	if want := []int32{1, 2, 0, 1, 2, 0, 1}; !slices.Equal(partitions, want) {
		t.Errorf("partitions are %v, want %v", partitions, want)
	}
}

func TestFates(t *testing.T) {
	b := newBook(10*time.Second, noon)
	mine := func(int32) bool { return true }
	seen, silent, unanswered, refused := b.begin(at(0), 4), b.begin(at(1), 4), b.begin(at(2), 4), b.begin(at(3), 4)
	b.acknowledged(seen)
	b.acknowledged(silent)
	if got := b.awaited(mine, true); len(got) != 2 || got[0] != seen || got[1] != silent {
		t.Errorf("what is acknowledged is looked for, not %+v", got)
	}
	if _, _, known := b.seen(unanswered.key()); known {
		t.Error("a canary that is not acknowledged is not seen")
	}
	if c, late, known := b.seen(seen.key()); c != seen || late || !known {
		t.Errorf("seen %+v, late %v, known %v", c, late, known)
	}
	if _, _, known := b.seen(seen.key()); known {
		t.Error("a canary is seen twice")
	}
	if !b.refused(refused) || b.refused(refused) {
		t.Error("a canary fails once")
	}
	if f, l := b.expired(at(10.9)); len(f)+len(l) > 0 {
		t.Errorf("given up too soon: %+v %+v", f, l)
	}
	failures, losses := b.expired(at(12))
	if len(failures) != 1 || failures[0] != unanswered || len(losses) != 1 || losses[0] != silent {
		t.Errorf("failed %+v, lost %+v; want %+v, %+v", failures, losses, unanswered, silent)
	}
	// Too late: what was said stands.
	b.acknowledged(unanswered)
	if b.refused(unanswered) {
		t.Error("a canary fails twice")
	}
	if got := b.awaited(mine, false); len(got) > 0 {
		t.Errorf("looked for at every poll: %+v", got)
	}
	if got := b.awaited(func(p int32) bool { return p == silent.Partition }, true); len(got) != 1 || got[0] != silent {
		t.Errorf("of its partition %+v is looked for", got)
	}
	if c, late, known := b.seen(silent.key()); c != silent || !late || !known {
		t.Errorf("seen %+v, late %v, known %v", c, late, known)
	}
}

// Whatever happens in whichever order, a canary is seen, failed or lost once, and
// little is remembered.
func TestOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(20*time.Second, noon)
		now := noon
		var all []Canary
		fates := map[key]int{}
		late := map[key]int{}
		one := func() Canary { return all[rapid.IntRange(0, len(all)-1).Draw(t, "which")] }
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			switch step := rapid.IntRange(0, 4).Draw(t, "step"); {
			case step == 0 || len(all) == 0:
				all = append(all, b.begin(now, 3))
			case step == 1:
				b.acknowledged(one())
			case step == 2:
				if c := one(); b.refused(c) {
					fates[c.key()]++
				}
			case step == 3:
				if c, was, known := b.seen(one().key()); known && was {
					late[c.key()]++
				} else if known {
					fates[c.key()]++
				}
			case step == 4:
				failures, losses := b.expired(now)
				for _, c := range append(failures, losses...) {
					fates[c.key()]++
				}
			}
		}
		b.expired(now.Add(time.Hour))
		for k, n := range fates {
			if n != 1 || late[k] > 1 {
				t.Fatalf("%+v has %d fates and is %d times late", k, n, late[k])
			}
		}
		for k := range late {
			if fates[k] != 1 {
				t.Fatalf("%+v is late and was not given up", k)
			}
		}
		if len(b.waiting()) > 0 {
			t.Fatalf("%d wait after the limit", len(b.waiting()))
		}
	})
}

func TestFewAreRemembered(t *testing.T) {
	b := newBook(10*time.Second, noon)
	for i := range 3 * givenMost {
		b.begin(at(float64(i)), 1)
		b.expired(at(float64(i)))
	}
	if len(b.all) > givenMost+10 || len(b.given) != givenMost {
		t.Errorf("%d canaries are remembered, %d that were given up", len(b.all), len(b.given))
	}
}
