package intent

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	schedules = flag.Int("schedules", 0, "play so many schedules of the model, instead of what six seconds allow")
	hunt      = flag.Int("hunt", 0, "of so many schedules, find the shortest that goes wrong without a mechanism")
)

// play lets a world run, with faults until there were enough of them, and
// returns what the table has too many or too few of; "" for nothing.
func play(s setting, trace *strings.Builder) (violation string) {
	w := newWorld(s)
	w.trace = trace
	defer func() {
		if r := recover(); r != nil {
			violation = fmt.Sprint("panic: ", r)
			if !strings.Contains(violation, "BUG") {
				panic(r)
			}
		}
		for len(w.nodes) > 0 {
			w.kill(w.nodes[0])
		}
	}()
	for range 20000 {
		if w.done() {
			return w.judge()
		}
		w.turn()
	}
	return "stuck"
}

// turn lets one thing happen.
func (w *world) turn() {
	kind := w.rng.IntN(100)
	switch {
	case w.trouble > 0 && kind < w.Pace:
		w.trouble--
		w.fault()
	case kind < 35 && len(w.wire) > 0:
		w.deliver(w.rng.IntN(len(w.wire)))
	default:
		n := w.nodes[w.rng.IntN(len(w.nodes))]
		switch {
		case n.frozen > 0:
			n.frozen--
		case n.joining && w.chance(20):
			w.comeBack(n)
		case w.members[n] && n.generation != w.generation && w.chance(60):
			n.join()
		case !w.members[n] && !n.joining && (w.trouble == 0 || w.chance(5)):
			w.kill(n) // a zombie finds out
		default:
			n.step()
		}
	}
}

func (w *world) fault() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch what := w.rng.IntN(100); {
	case what < 30:
		w.kill(n)
		w.spawn()
		w.rebalance()
	case what < 60: // its session times out; it does not know, and goes on some time
		w.logf("n%d is a zombie", n.id)
		n.frozen = w.rng.IntN(60)
		delete(w.members, n)
		if len(w.nodes) < 4 {
			w.spawn()
		}
		w.rebalance()
	case what < 70:
		w.evict(n)
	case what < 80:
		n.leaving = int32(w.rng.IntN(w.Partitions))
	case what < 92:
		w.cured = !w.cured
		w.logf("nothing is refused any more: %t", w.cured)
	default:
		if len(w.nodes) < 4 {
			w.spawn()
		}
		w.rebalance()
	}
}

// judge compares the table with what was sent.
func (w *world) judge() string {
	for p, log := range w.logs {
		byOffset, byIdentity := map[int64]int{}, map[int]int{}
		for _, r := range w.rows[p] {
			byOffset[r.offset]++
			byIdentity[r.identity]++
		}
		for _, n := range byOffset {
			if n > 1 {
				return "offset stored twice"
			}
		}
		for _, n := range byIdentity {
			if n > 1 {
				return "identity stored twice"
			}
		}
		for r := range w.dead {
			if r.partition == p {
				byIdentity[r.identity]++
			}
		}
		for _, r := range log {
			if byIdentity[r.identity] == 0 {
				return "identity lost"
			}
		}
	}
	return ""
}

// draw makes a setting of the numbers that draw gives, each from..to.
func draw(seed uint64, draw func(label string, from, to int) int) setting {
	return setting{
		Seed: seed, Nodes: draw("nodes", 1, 3), Partitions: draw("partitions", 1, 3), Records: draw("records", 1, 9),
		Poisoned: []int{0, 0, 2, 8}[draw("poisoned", 0, 3)], Depth: draw("depth", 1, 3), Memory: draw("memory", 1, 6),
		Trouble: 10 * draw("trouble", 0, 6), Pace: draw("pace", 1, 10),
		Fresh: []int{0, 50, 100}[draw("fresh", 0, 2)],
	}
}

// settingOf is one that follows from a seed alone.
func settingOf(seed uint64) setting {
	rng := rand.New(rand.NewPCG(seed, 1))
	return draw(seed, func(_ string, from, to int) int { return from + rng.IntN(to-from+1) })
}

// TestModel plays schedules of worlds in which all mechanisms are on. A
// violation is shrunk to a small world, and told event by event.
func TestModel(t *testing.T) {
	played := 0
	for end := time.Now().Add(6 * time.Second); played < *schedules || *schedules == 0 && time.Now().Before(end); {
		rapid.Check(t, func(t *rapid.T) {
			played++
			s := draw(rapid.Uint64().Draw(t, "seed"), func(label string, from, to int) int { return rapid.IntRange(from, to).Draw(t, label) })
			if v := play(s, nil); v != "" {
				var trace strings.Builder
				play(s, &trace)
				t.Fatalf("%s: %+v\n%s", v, s, &trace)
			}
		})
	}
	t.Log(played, "schedules")
}

// TestEveryMechanismIsNeeded plays, for each, a schedule that goes wrong
// without it and right with it. What the model's dice decide changes with the
// model: then -hunt finds other schedules.
func TestEveryMechanismIsNeeded(t *testing.T) {
	for _, c := range []struct {
		without string
		off     switches
		seed    uint64
		want    string
	}{
		{"intent", switches{Intent: true}, 7673, "offset stored twice"},
		{"claim", switches{Claim: true}, 17341, "identity lost"},
		{"fence", switches{Fence: true}, 4567, "offset stored twice"},
		{"step", switches{Step: true}, 19530, "offset stored twice"},
		{"token", switches{Token: true}, 1159, "offset stored twice"},
		{"receipts", switches{Receipts: true}, 13713, "identity lost"},
		{"gate", switches{Gate: true}, 1768, "identity lost"},
		{"member", switches{Member: true}, 7586, "offset stored twice"},
		{"ask", switches{Ask: true}, 19373, "offset stored twice"},
		{"proof", switches{Proof: true}, 568047, "offset stored twice"},
		{"wait", switches{Wait: true}, 62718, "offset stored twice"},
		{"spent", switches{Spent: true}, 10606, "offset stored twice"},
		{"done", switches{Done: true}, 12065, "offset stored twice"},
		{"order", switches{Order: true}, 2104, "identity stored twice"},
	} {
		t.Run(c.without, func(t *testing.T) {
			s := settingOf(c.seed)
			if *hunt > 0 {
				s.Seed = seedOf(c.off, c.want, *hunt)
				t.Fatal("shows with the seed", s.Seed)
			}
			if got := play(s, nil); got != "" {
				t.Errorf("with it: %s", got)
			}
			s.Off = c.off
			var trace strings.Builder
			if got := play(s, &trace); got != c.want {
				t.Errorf("without it: %q; want %q; find another seed with -hunt 100000", got, c.want)
			}
			t.Logf("%s: %+v\n%s", c.want, s, &trace)
		})
	}
}

// seedOf returns, of so many, the seed with the shortest schedule in which the
// violation shows.
func seedOf(off switches, want string, most int) (best uint64) {
	shortest := math.MaxInt
	for seed := range uint64(most) {
		s := settingOf(seed)
		s.Off = off
		if play(s, nil) != want {
			continue
		}
		var trace strings.Builder
		if play(s, &trace); trace.Len() < shortest {
			best, shortest = seed, trace.Len()
		}
	}
	return best
}
