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

// What Kind.Bytes says is what operators size a node by. A map takes most when
// it has just grown, so it is held against several sizes.
func TestBytes(t *testing.T) {
	for _, fleet := range fleets[2:] {
		least, most := 1e9, 0.0
		for n := uint64(100_000); n < 220_000; n += 7_000 {
			empty := heap()
			w := NewWindow(time.Hour, fleet.kind)
			for i := range n {
				w.Seen(fleet.id(i), int64(i), 1, unbounded)
			}
			each := float64(heap()-empty) / float64(w.Len())
			runtime.KeepAlive(w)
			least, most = min(least, each), max(most, each)
		}
		t.Logf("%s: %.0f to %.0f bytes, said to be at most %d", fleet.name, least, most, fleet.kind.Bytes())
		if said := float64(fleet.kind.Bytes()); most > said || most < said/2 {
			t.Errorf("%s: one takes up to %.0f bytes; Bytes says at most %.0f", fleet.name, most, said)
		}
	}
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
