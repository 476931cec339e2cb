package stackbench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/stack"
)

// Phase names a part of a run.
type Phase string

// The phases.
const (
	Latency    Phase = "latency"
	Throughput Phase = "throughput"
	CatchUp    Phase = "backlog"
	FreshFirst Phase = "fresh-first"
	LateBurst  Phase = "late-burst"
	TieringDay Phase = "tiering"
)

// Load is a rate that is held for a while.
type Load struct {
	// Rate is records of all kinds a second.
	Rate int
	// Hold is how long they are sent.
	Hold time.Duration
}

// Backlog is what comes of a node that is away.
type Backlog struct {
	// Rate is records of all kinds a second, before, meanwhile and after.
	Rate int
	// Before is how long the node is there at first, and Outage how long it is
	// then away.
	Before, Outage time.Duration
	// Timeout is how long catching up may take.
	Timeout time.Duration
}

// Burst is what devices send that were offline.
type Burst struct {
	// Rate is records of all kinds a second of those that were not.
	Rate int
	// Before is how long those send alone.
	Before time.Duration
	// Records are how many the others kept, Offline for how long, and Pace how
	// many a second they send then, all together.
	Records, Pace int
	Offline       time.Duration
	// Timeout is how long it may take until all is stored.
	Timeout time.Duration
}

// ColdDay is a day that goes to the cold tier while a fleet sends.
type ColdDay struct {
	// Rate is records of all kinds a second.
	Rate int
	// Before is how long the fleet sends before the day is moved.
	Before time.Duration
	// Rows are the day's.
	Rows int
	// Timeout is how long the move may take.
	Timeout time.Duration
}

// Config says what to run and where to tell about it. Start from [Default].
type Config struct {
	// Stack is the stack to start. It has S3 only for the phase tiering.
	Stack stack.Config
	// Bin is the folder with the programs ingest, loadtest and compactor.
	Bin string
	// Phases are those to run; their order is always the same.
	Phases []Phase
	// Latency is how the latency is measured: a modest rate, for long enough
	// that the 99th percentile is of some hundred inserts.
	Latency Load
	// Throughput is the rate that has to be held: a little more than the 150,000
	// that are promised, so that what is counted in the end is not less by a
	// rounding. Three minutes: merges come to all the sizes they have in the long
	// run.
	Throughput Load
	// Backlog is a rate of which three times as much has to be possible, so that
	// a drain of three times the live rate can be seen.
	Backlog Backlog
	// Burst is an hour that a hundred devices in ten thousand were away for, and
	// a network that takes them twenty seconds to send it.
	Burst Burst
	// ColdDay is a day of a fleet that sends some 230 records a second.
	ColdDay ColdDay
	// WarmUp is what is left out at the beginning of a load where CPU and parts
	// are counted: programs compile, caches fill and the first merges come. The
	// latencies are those of the whole load.
	WarmUp time.Duration
	// Devices is the size of the fleet.
	Devices int
	// Shares are those of the unusual records: those of a fleet, but for late
	// readings, of which there are none by default. They fall on five other days
	// here, and so make six inserts of each; what that costs is a figure of its own.
	Shares loadtest.Shares
	// Recovery is the node's kafka.recovery but for the phase fresh-first; empty:
	// its default.
	Recovery string
	// ProgressEvery is the time between two lines of progress.
	ProgressEvery time.Duration
	// Progress is told what happens.
	Progress io.Writer
}

// Default returns the run whose figures the project states.
func Default() Config {
	return Config{
		Phases:        Phases(),
		Latency:       Load{Rate: 20_000, Hold: time.Minute},
		Throughput:    Load{Rate: 152_000, Hold: 3 * time.Minute},
		Backlog:       Backlog{Rate: 40_000, Before: 15 * time.Second, Outage: time.Minute, Timeout: 5 * time.Minute},
		Burst:         Burst{Rate: 20_000, Before: 15 * time.Second, Records: 2_000_000, Pace: 100_000, Offline: time.Hour, Timeout: 5 * time.Minute},
		ColdDay:       ColdDay{Rate: 20_000, Before: 15 * time.Second, Rows: 20_000_000, Timeout: 10 * time.Minute},
		WarmUp:        15 * time.Second,
		Devices:       10_000,
		Shares:        loadtest.Shares{Resend: 0.02, Malformed: 0.001},
		ProgressEvery: 5 * time.Second,
	}
}

// Phases returns all there are, in the order they are run in.
func Phases() []Phase {
	var all []Phase
	for _, p := range phases {
		all = append(all, p.name)
	}
	return all
}

// ParsePhases reads a list of names.
func ParsePhases(names []string) ([]Phase, error) {
	var out []Phase
	for _, name := range names {
		if !slices.Contains(Phases(), Phase(name)) {
			return nil, fmt.Errorf("phase %q is none; there are %s", name, listed(Phases()))
		}
		out = append(out, Phase(name))
	}
	return out, nil
}

func listed(all []Phase) string {
	var names []string
	for _, p := range all {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// Validate reports every fault of c at once, under the names of its flags.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Phases) > 0, "--phases is empty; name at least one of %s", listed(Phases()))
	check(c.WarmUp >= sampleEvery, "--warm-up is %v; want at least %v", c.WarmUp, sampleEvery)
	for _, l := range []struct {
		phase      Phase
		rate, hold string
		load       Load
	}{{Latency, "--latency-rate", "--latency-hold", c.Latency}, {Throughput, "--rate", "--hold", c.Throughput}} {
		if !slices.Contains(c.Phases, l.phase) {
			continue
		}
		check(l.load.Rate > 0, "%s is %d; want a number of records a second", l.rate, l.load.Rate)
		check(l.load.Hold >= c.WarmUp+2*sampleEvery, "%s is %v and --warm-up %v; what is counted comes after the warm-up, so hold longer or warm up shorter",
			l.hold, l.load.Hold, c.WarmUp)
	}
	if slices.Contains(c.Phases, CatchUp) || slices.Contains(c.Phases, FreshFirst) {
		b := c.Backlog
		check(b.Rate > 0, "--backlog-rate is %d; want a number of records a second", b.Rate)
		check(b.Before >= 4*sampleEvery, "--backlog-before is %v; want at least %v, to see what lag is usual", b.Before, 4*sampleEvery)
		check(b.Outage >= sampleEvery, "--outage is %v; want at least %v", b.Outage, sampleEvery)
		check(b.Timeout > 0, "--catch-up-timeout is %v; want a positive duration such as 5m", b.Timeout)
	}
	if b := c.Burst; slices.Contains(c.Phases, LateBurst) {
		check(b.Rate > 0, "--burst-live-rate is %d; want a number of records a second", b.Rate)
		check(b.Before >= 4*sampleEvery, "--burst-before is %v; want at least %v, to see what lag is usual", b.Before, 4*sampleEvery)
		check(b.Records > 0, "--burst is %d; want a number of records", b.Records)
		check(b.Pace > 0, "--burst-pace is %d; want a number of records a second", b.Pace)
		check(b.Offline >= time.Second, "--offline is %v; want at least 1s", b.Offline)
		check(b.Timeout > 0, "--catch-up-timeout is %v; want a positive duration such as 5m", b.Timeout)
	}
	if d := c.ColdDay; slices.Contains(c.Phases, TieringDay) {
		check(d.Rate > 0, "--day-live-rate is %d; want a number of records a second", d.Rate)
		check(d.Before >= sampleEvery, "--day-before is %v; want at least %v", d.Before, sampleEvery)
		check(d.Rows > 0, "--day-rows is %d; want a number of rows", d.Rows)
		check(d.Timeout > 0, "--catch-up-timeout is %v; want a positive duration such as 5m", d.Timeout)
	}
	check(c.Devices > 0, "--devices is %d; want at least 1", c.Devices)
	check(c.ProgressEvery > 0, "--progress-every is %v; want a positive duration such as 5s", c.ProgressEvery)
	return errors.Join(errs...)
}
