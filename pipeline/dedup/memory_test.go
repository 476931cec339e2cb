package dedup

import (
	"runtime"
	"testing"
	"time"

	"penstock/schema"
)

// fleets are what a window may be filled with.
var fleets = []struct {
	name string
	kind Kind
	id   func(i uint64) schema.Identity
}{
	{"busy", Sequences, func(i uint64) schema.Identity { return schema.Identity{Device: device(i % 200), Seq: i / 200} }},
	{"sparse", Sequences, func(i uint64) schema.Identity { return schema.Identity{Device: device(i / 4), Seq: i % 4} }},
	{"once", Sequences, func(i uint64) schema.Identity { return schema.Identity{Device: device(i), Seq: i} }},
	{"fingerprints", Fingerprints, func(i uint64) schema.Identity { return schema.Identity{Seq: device(i)} }},
}

// device is a number that looks like a hash.
func device(i uint64) uint64 { return i * 0x9e3779b97f4a7c15 }

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what had a finalizer
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What Kind.Bytes says is what operators size a node by. A table takes most when
// it has just grown, so it is held against several sizes; and while it grows
// there are two.
func TestBytes(t *testing.T) {
	for _, fleet := range fleets[2:] {
		least, most, growing := 1e9, 0.0, 0.0
		for n := uint64(100_000); n < 220_000; n += 7_000 {
			empty := heap()
			w := NewWindow(time.Hour, fleet.kind)
			table := tableOf(w)
			for i := range n {
				w.Seen(fleet.id(i), int64(i), 1, unbounded)
				if places := len(table.words); table.held == places/4*3 && i > n/2 {
					// The next makes a table of twice as many, beside this one.
					growing = max(growing, float64(heap()-empty)/float64(w.Len())+float64(2*places*8)/float64(w.Len()))
				}
			}
			each := float64(heap()-empty) / float64(w.Len())
			runtime.KeepAlive(w)
			least, most = min(least, each), max(most, each)
		}
		t.Logf("%s: %.0f to %.0f bytes, %.0f while a table grows, said to be at most %d", fleet.name, least, most, growing, fleet.kind.Bytes())
		if said := float64(fleet.kind.Bytes()); max(most, growing) > said || most < said/2 {
			t.Errorf("%s: one takes up to %.0f bytes, and %.0f while a table grows; Bytes says at most %.0f", fleet.name, most, growing, said)
		}
	}
}

// tableOf returns the table that a window adds to.
func tableOf(w *Window) *table {
	if s, ok := w.generations.(*sequences); ok {
		return &s.now.newest
	}
	return &w.generations.(*fingerprints).now.table
}

// A reading whose block is known allocates nothing, nor does a resend.
func TestSeenAllocatesNothing(t *testing.T) {
	f := func(name string, kind Kind, id func(device, run uint64) schema.Identity) {
		t.Helper()
		w := NewWindow(time.Hour, kind)
		run := uint64(0)
		if allocs := testing.AllocsPerRun(100, func() { // the first of them does not count
			for d := range uint64(1000) {
				w.Seen(id(device(d), run), int64(run), 1, unbounded)
			}
			run++
		}); allocs != 0 {
			t.Errorf("%s: a thousand readings take %v allocations", name, allocs)
		}
	}
	f("devices that count", Sequences, func(device, run uint64) schema.Identity { return schema.Identity{Device: device, Seq: run} })
	f("resends", Sequences, func(device, _ uint64) schema.Identity { return schema.Identity{Device: device} })
	f("resends of fingerprints", Fingerprints, func(device, _ uint64) schema.Identity { return schema.Identity{Seq: device} })
}

// BenchmarkWindow fills a window with new identities.
func BenchmarkWindow(b *testing.B) {
	for _, fleet := range fleets {
		b.Run(fleet.name, func(b *testing.B) {
			empty := heap()
			w := NewWindow(time.Hour, fleet.kind)
			i := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				w.Seen(fleet.id(i), int64(i), 1, unbounded)
				i++
			}
			b.StopTimer()
			held := float64(heap() - empty)
			b.ReportMetric(held/float64(w.Len()), "bytes/block")
			b.ReportMetric(held/float64(i), "bytes/identity")
			runtime.KeepAlive(w)
		})
	}
}
