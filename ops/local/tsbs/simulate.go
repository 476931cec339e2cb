// Package tsbs runs the product on telemetry that nobody made for it: the iot
// use case of the Time Series Benchmark Suite, a fleet of trucks.
//
// TSBS simulates two measurements of each truck, readings and diagnostics. Each
// is a stream here: a topic, a schema file beside this one, tables; one node
// moves both. As TSBS makes them, values and tags are missing, entries and whole
// batches are missing or out of order. What it lacks is what the product takes
// from its fleets: a truck numbers its events and sends some of them twice. A
// seed decides about that, as about all that TSBS does.
//
// The proof compares what is stored with what TSBS made, value by value, and
// has "ingest audit" account for each record.
package tsbs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	legacy "math/rand" // whose global source TSBS draws from
	"math/rand/v2"
	"slices"
	"time"

	"github.com/timescale/tsbs/pkg/data"
	"github.com/timescale/tsbs/pkg/data/usecases/iot"
)

// Fleet is what is simulated. Start from [DefaultFleet].
type Fleet struct {
	// Seed decides everything about it.
	Seed int64
	// Trucks is how many there are. The default value is 200.
	Trucks int
	// Start is when they begin, and Length how long they drive. The default
	// values are TSBS's own 2016-01-01 and half an hour.
	Start  time.Time
	Length time.Duration
	// Every is the time between two events of a measurement. The default value
	// is TSBS's, 10 s.
	Every time.Duration
	// Resend is the share of events that are sent again. The default value is
	// 0.05.
	Resend float64
}

// DefaultFleet returns the defaults: some 65,000 events.
func DefaultFleet() Fleet {
	return Fleet{Seed: 1, Trucks: 200, Start: time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC), Length: 30 * time.Minute, Every: 10 * time.Second, Resend: 0.05}
}

// Validate reports every fault.
func (f Fleet) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(f.Trucks >= 1, "trucks is %d; want at least 1", f.Trucks)
	check(f.Every > 0, "every is %v; want a positive duration such as 10s", f.Every)
	check(f.Length >= f.Every, "length is %v; want at least %v, the time between two events", f.Length, f.Every)
	check(f.Resend >= 0 && f.Resend < 1, "resend is %g; want a share in [0, 1), such as 0.05", f.Resend)
	return errors.Join(errs...)
}

// Event is one point of TSBS, numbered by its truck.
type Event struct {
	Stream string // TSBS's measurement
	Device string
	Seq    uint64
	Time   time.Time
	Values map[string]any // string, float32, float64 or int64; TSBS may have dropped any
}

// unnamed numbers the points of which TSBS dropped the truck's name. They are
// kept: what sends them knows who it is, though it says nothing of the truck.
const unnamed = "unnamed"

// resendWithin is how many events at most come between an event and its resend.
const resendWithin = 2000

// JSON is the event as its device sends it.
func (e Event) JSON() ([]byte, error) {
	object := map[string]any{"device_id": e.Device, "seq": e.Seq, "ts": e.Time.UnixMilli()}
	for name, value := range e.Values {
		object[name] = value
	}
	return json.Marshal(object)
}

// Simulation is what a fleet sends.
type Simulation struct {
	Events []Event
	// Sends are indexes of Events in the order in which they are sent; some
	// come twice.
	Sends []int
}

// Simulate returns what the fleet sends. TSBS draws from the global source of
// math/rand, and keeps some of its state for the whole process: only one
// simulation may run at a time, and only the first is decided by its seed alone.
func Simulate(f Fleet) (Simulation, error) {
	if err := f.Validate(); err != nil {
		return Simulation{}, err
	}
	legacy.Seed(f.Seed) //nolint:staticcheck // TSBS has no other way to be told; randseednop=0 in go.mod lets it work
	config := &iot.SimulatorConfig{
		Start: f.Start, End: f.Start.Add(f.Length),
		InitGeneratorScale: uint64(f.Trucks), GeneratorScale: uint64(f.Trucks), GeneratorConstructor: iot.NewTruck,
	}
	var s Simulation
	trucks := config.NewSimulator(f.Every, 0)
	seqs := map[[2]string]uint64{}
	for !trucks.Finished() {
		point := data.NewPoint()
		if !trucks.Next(point) {
			break
		}
		e := eventOf(point)
		seqs[[2]string{e.Stream, e.Device}]++
		e.Seq = seqs[[2]string{e.Stream, e.Device}]
		s.Events = append(s.Events, e)
	}
	s.Sends = sends(len(s.Events), f)
	return s, nil
}

func eventOf(p *data.Point) Event {
	e := Event{Stream: string(p.MeasurementName()), Time: p.Timestamp().UTC(), Values: map[string]any{}}
	for i, key := range p.TagKeys() {
		if value := p.TagValues()[i]; value != nil {
			e.Values[string(key)] = value
		}
	}
	for i, key := range p.FieldKeys() {
		if value := p.FieldValues()[i]; value != nil {
			e.Values[string(key)] = value
		}
	}
	name, _ := e.Values["name"].(string)
	e.Device = cmp.Or(name, unnamed)
	return e
}

// sends returns 0 to n-1 in order, and some of them once more later.
func sends(n int, f Fleet) []int {
	random := rand.New(rand.NewPCG(uint64(f.Seed), 0))
	type sending struct{ event, at int }
	var all []sending
	for i := range n {
		all = append(all, sending{i, i})
		if random.Float64() < f.Resend {
			all = append(all, sending{i, i + random.IntN(resendWithin)})
		}
	}
	// An event comes before its resend: they are in this order already.
	slices.SortStableFunc(all, func(a, b sending) int { return cmp.Compare(a.at, b.at) })
	out := make([]int, len(all))
	for i, s := range all {
		out[i] = s.event
	}
	return out
}
