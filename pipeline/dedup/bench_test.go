package dedup

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"penstock/schema"
)

// loads are how devices share the load. Zipf-like is what loadtest's fleet
// sends: the n-th device in proportion to 1/(n+20).
var loads = []struct {
	name string
	pick func(r *rand.Rand, devices int) int
}{
	{"uniform", func(r *rand.Rand, devices int) int { return r.IntN(devices) }},
	{"zipf", func(r *rand.Rand, devices int) int {
		n := 20*math.Exp(r.Float64()*math.Log1p(float64(devices)/20)) - 20
		return min(int(n), devices-1)
	}},
}

// arrival is what is handed to Window.Seen.
type arrival struct {
	id        schema.Identity
	event, at int64
}

// counting is a fleet whose devices count upward and whose clocks go forward.
// Each begins somewhere in a block, so as many enter one at any time.
type counting struct {
	rand  *rand.Rand
	pick  func(r *rand.Rand, devices int) int
	next  []uint64 // each device's next number
	clock int64
}

func newCounting(devices int, pick func(r *rand.Rand, devices int) int) *counting {
	c := &counting{rand: rand.New(rand.NewPCG(1, 2)), pick: pick, next: make([]uint64, devices)}
	for d := range c.next {
		c.next[d] = c.rand.Uint64N(BlockNumbers)
	}
	return c
}

// read is the next reading of a device.
func (c *counting) read(d int) arrival {
	c.clock++
	s := arrival{id: schema.Identity{Device: device(uint64(d)), Seq: c.next[d]}, event: c.clock, at: 1}
	c.next[d]++
	return s
}

// BenchmarkSeen is one reading an op, of devices of which all are known.
//   - new: the device's next number.
//   - turned: the same, while the generation before has the device's block too.
//   - resent: a number that was seen.
func BenchmarkSeen(b *testing.B) {
	for _, phase := range []string{"new", "turned", "resent"} {
		for _, load := range loads {
			for _, devices := range []int{1_000, 10_000, 100_000, 1_000_000} {
				b.Run(fmt.Sprintf("%s/%s/%d", phase, load.name, devices), func(b *testing.B) {
					fleet := newCounting(devices, load.pick)
					w := NewWindow(time.Hour, Sequences)
					for d := range devices {
						s := fleet.read(d)
						w.Seen(s.id, s.event, s.at, unbounded)
					}
					if phase == "turned" {
						w.turn(1)
					}
					draw := func(some []arrival) {
						for i := range some {
							some[i] = fleet.read(fleet.pick(fleet.rand, devices))
						}
					}
					if phase == "resent" {
						draw = func(some []arrival) {
							for i := range some {
								d := fleet.pick(fleet.rand, devices)
								fleet.next[d]--
								some[i] = fleet.read(d)
								some[i].event = int64(d) + 1
							}
						}
					}
					benchmarkSeen(b, w, draw, phase == "resent")
				})
			}
		}
	}
}

// BenchmarkSeenFingerprints is one identity of one field an op, with so many in
// each generation.
//   - new: it was not seen. Generations that are full make room.
//   - resent: it was.
func BenchmarkSeenFingerprints(b *testing.B) {
	for _, phase := range []string{"new", "resent"} {
		for _, held := range []int{1_000, 10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", phase, held), func(b *testing.B) {
				w := NewWindow(time.Hour, Fingerprints)
				n := uint64(0)
				fresh := func() arrival {
					n++
					return arrival{id: schema.Identity{Seq: device(n)}, at: int64(n) * time.Hour.Milliseconds() / int64(held)}
				}
				for range 2 * held {
					s := fresh()
					w.Seen(s.id, s.event, s.at, unbounded)
				}
				draw := func(some []arrival) {
					for i := range some {
						some[i] = fresh()
					}
				}
				if phase == "resent" {
					r, at := rand.New(rand.NewPCG(1, 2)), int64(n)*time.Hour.Milliseconds()/int64(held)
					draw = func(some []arrival) {
						for i := range some {
							some[i] = arrival{id: schema.Identity{Seq: device(n - r.Uint64N(uint64(held)))}, at: at}
						}
					}
				}
				benchmarkSeen(b, w, draw, phase == "resent")
			})
		}
	}
}

// benchmarkSeen times w alone, not what draws for it.
func benchmarkSeen(b *testing.B, w *Window, draw func([]arrival), want bool) {
	some := make([]arrival, 1<<14)
	draw(some)
	i, wrong := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		if i == len(some) {
			b.StopTimer()
			draw(some)
			i = 0
			b.StartTimer()
		}
		s := &some[i]
		i++
		if dup, _ := w.Seen(s.id, s.event, s.at, unbounded); dup != want {
			wrong++
		}
	}
	if wrong > 0 {
		b.Errorf("%d readings are seen: %v", wrong, !want)
	}
}
