package watcher

import (
	"maps"
	"slices"
	"testing"
	"time"

	"penstock/pipeline/intent"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// committed is a position that is committed up to an offset.
func committed(start, end, offset int64) position {
	return position{start: start, end: end, committed: true, state: intent.State{Offset: offset}}
}

// kafka says what Kafka says of one partition, whose records came one a second from a
// time on: the record at offset n at that time and n seconds.
type kafka struct {
	t      *testing.T
	ledger ledger
	first  time.Time
	read   int // records that had to be read for their times
}

func (k *kafka) look(at time.Time, p position) Partition {
	k.t.Helper()
	l := look{at: at, partitions: map[int32]position{0: p}}
	for _, dates := range []struct {
		into *map[int32]dated
		want map[int32]int64
	}{{&k.ledger.nexts, k.ledger.undated(l)}, {&k.ledger.starts, k.ledger.undatedStarts(l)}} {
		found := map[int32]time.Time{}
		for id, offset := range dates.want {
			found[id] = k.first.Add(time.Duration(offset) * time.Second)
			k.read++
		}
		date(dates.into, dates.want, found)
	}
	return k.ledger.group(l).Partitions[0]
}

func TestLag(t *testing.T) {
	f := func(what string, got Partition, lag int64, behind float64) {
		t.Helper()
		if want := is(time.Duration(behind * float64(time.Second))); got.Lag != lag || got.Behind != want {
			t.Errorf("%s: lag %d, behind %v; want %d, %v", what, got.Lag, got.Behind, lag, want)
		}
	}
	k := &kafka{t: t, first: noon}
	f("all is committed", k.look(after(100), committed(0, 100, 100)), 0, 0)
	f("what came since the last look is as old as that at most", k.look(after(110), committed(0, 110, 105)), 5, 5)
	if k.read > 0 {
		t.Errorf("%d records were read of a group that keeps up", k.read)
	}
	f("the commit stands still", k.look(after(120), committed(0, 120, 105)), 15, 15)
	f("it still does", k.look(after(180), committed(0, 180, 105)), 75, 75)
	if k.read != 1 {
		t.Errorf("%d records were read of a commit that stands still, want 1", k.read)
	}
	f("it goes on", k.look(after(181), committed(0, 181, 150)), 31, 31)
	f("and is done", k.look(after(182), committed(0, 182, 182)), 0, 0)

	k = &kafka{t: t, first: noon}
	f("at the first look the record is read", k.look(after(100), committed(0, 100, 40)), 60, 60)
	f("nothing was ever committed", k.look(after(100), position{start: 10, end: 100}), 90, 90)
	f("what is gone counts as lag, and is as old as what is left", k.look(after(100), committed(60, 100, 40)), 60, 40)
	f("a topic made anew", k.look(after(100), committed(0, 3, 40)), 0, 0)

	// What could not be read is not known, and not 0.
	var l ledger
	if p := l.group(look{at: noon, partitions: map[int32]position{0: committed(0, 10, 5)}}).Partitions[0]; p.Behind.known || p.Lag != 5 {
		t.Errorf("%+v", p)
	}
}

func TestRate(t *testing.T) {
	k := &kafka{t: t, first: noon}
	if p := k.look(after(100), committed(0, 100, 100)); p.Arriving != 0 {
		t.Errorf("after one look %v records/s arrive", p.Arriving)
	}
	if p := k.look(after(110), committed(0, 120, 100)); p.Arriving != 2 {
		t.Errorf("%v records/s arrive, want 2", p.Arriving)
	}
	if p := k.look(after(120), committed(0, 3, 0)); p.Arriving != 0 {
		t.Errorf("of a topic made anew %v records/s arrive", p.Arriving)
	}
}

func TestRetention(t *testing.T) {
	f := func(what string, p position, want maybe[time.Duration], gone int64) {
		t.Helper()
		k := &kafka{t: t, first: noon}
		if got := k.look(after(1000), p); got.Retention != want || got.Gone != gone {
			t.Errorf("%s: %v, %d gone; want %v, %d", what, got.Retention, got.Gone, want, gone)
		}
	}
	var unknown maybe[time.Duration]
	f("Kafka has deleted nothing yet", committed(0, 1000, 0), unknown, 0)
	f("all is committed", committed(100, 1000, 1000), is(900*time.Second), 0)
	f("somewhat behind", committed(100, 1000, 700), is(600*time.Second), 0)
	f("the next to be deleted is the next to be stored", committed(100, 1000, 100), is(leastRetention), 0)
	f("it is deleted", committed(100, 1000, 60), is(time.Duration(0)), 40)
	f("nothing was ever committed", position{start: 100, end: 1000}, unknown, 0)
	f("Kafka keeps nothing", committed(1000, 1000, 1000), unknown, 0)
}

func TestIntents(t *testing.T) {
	at := func(s float64) int64 { return after(s).Unix() }
	state, err := intent.Parse(10, (intent.State{
		Offset: 10, Done: []intent.Range{{First: 20, Next: 30}},
		Pending: []intent.Intent{{Batch: "a", Shard: "1", First: 30, Next: 40, At: at(50)}, {Batch: "b", Shard: "1", First: 10, Next: 15, At: at(40)}},
	}).Metadata())
	if err != nil {
		t.Fatal(err)
	}
	k := &kafka{t: t, first: noon}
	p := k.look(after(100), position{end: 100, committed: true, state: state})
	if p.Pending != 2 || p.OldestIntent != time.Minute || p.Gaps != 1 { // [15, 20)
		t.Errorf("%+v", p)
	}
}

// Of very many partitions that are behind some are read at a look, and the next time
// others.
func TestFewRecordsAreRead(t *testing.T) {
	l, read := ledger{}, map[int32]bool{}
	var now look
	for round := range int64(2) { // of which each has another commit
		now = look{at: noon, partitions: map[int32]position{}}
		for id := range int32(datesMost + 10) {
			now.partitions[id] = committed(5, 100, 10+round)
		}
		want, found := l.undated(now), map[int32]time.Time{}
		if len(want) != datesMost {
			t.Errorf("%d records are read", len(want))
		}
		for id := range want {
			read[id], found[id] = true, noon
		}
		date(&l.nexts, want, found)
		l.group(now)
	}
	if len(read) != datesMost+10 || len(l.undated(now)) != 10 {
		t.Errorf("after two looks %d were read, and %d are left", len(read), len(l.undated(now)))
	}
	if want := l.undatedStarts(now); len(want) != datesMost || slices.Max(slices.Collect(maps.Keys(want))) != datesMost-1 {
		t.Errorf("%d oldest records are read", len(want))
	}
}
