package scaling

import (
	"errors"
	"fmt"
	"time"
)

// Policy is by what the number of nodes is decided.
type Policy struct {
	// Min and Max bound it. Larger Min: nodes that are there before they are
	// needed. Smaller Max: a bound on what a backlog may cost. The defaults are 1
	// and 64; there are never more nodes than partitions.
	Min int `koanf:"min"`
	Max int `koanf:"max"`
	// Drain is how soon a backlog is to be gone. Shorter: more nodes for a shorter
	// time. Longer: devices' readings are late for longer. The default is 5m.
	Drain time.Duration `koanf:"drain"`
	// Headroom is the share of a node's capacity that is planned with. Larger:
	// fewer nodes, and a longer tail while one is away. Smaller: room for one that
	// dies. The default is 0.7.
	Headroom float64 `koanf:"headroom"`
	// PartitionShare is how much of a node one partition can make use of: a lane
	// reads it, with its aides. The default is 0.5, that of a node with two lanes; of
	// one with eight cores and four lanes it is rather 0.25.
	PartitionShare float64 `koanf:"partition_share"`
	// UpAfter is for how long more have to be wanted, DownAfter for how long fewer.
	// Shorter: follows the load sooner. Longer: fewer rebalances, each of which
	// stalls the group for a second. The defaults are 30s and 5m.
	UpAfter   time.Duration `koanf:"up_after"`
	DownAfter time.Duration `koanf:"down_after"`
	// SlowInsert is from how long an insert takes on, on average, that ClickHouse
	// counts as the bottleneck. The default is 3s.
	SlowInsert time.Duration `koanf:"slow_insert"`
	// Peaks are times of the day with a least number of nodes of their own, each as
	// 07:30-09:00=12, in UTC, on every day. For what is known to come: a node takes
	// half a minute to be there, and a peak does not wait. The default is none.
	Peaks []Peak `koanf:"peaks"`
}

// DefaultPolicy returns the defaults.
func DefaultPolicy() Policy {
	return Policy{
		Min: 1, Max: 64, Drain: 5 * time.Minute, Headroom: 0.7, PartitionShare: 0.5,
		UpAfter: 30 * time.Second, DownAfter: 5 * time.Minute, SlowInsert: 3 * time.Second,
	}
}

// Validate returns every fault.
func (p Policy) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(p.Min >= 1, "min is %d; want at least 1: with no node nothing tells how far behind it is", p.Min)
	check(p.Max >= p.Min, "max is %d with min %d; want at least as many", p.Max, p.Min)
	check(p.Drain > 0, "drain is %v; want a positive duration such as 5m", p.Drain)
	check(p.Headroom > 0 && p.Headroom <= 1, "headroom is %v; want a share of a node's capacity, above 0 and at most 1", p.Headroom)
	check(p.PartitionShare > 0 && p.PartitionShare <= 1, "partition_share is %v; want a share of a node, above 0 and at most 1", p.PartitionShare)
	check(p.UpAfter >= 0, "up_after is %v; want 0s or more", p.UpAfter)
	check(p.DownAfter >= p.UpAfter, "down_after is %v with up_after %v; want at least as long, or the number of nodes follows every lull", p.DownAfter, p.UpAfter)
	for _, peak := range p.Peaks {
		check(peak.Nodes <= p.Max, "peaks has one of %d nodes, and max is %d; raise max", peak.Nodes, p.Max)
	}
	check(p.SlowInsert > 0, "slow_insert is %v; want a positive duration such as 3s", p.SlowInsert)
	return errors.Join(errs...)
}

// Peak is a time of every day with a least number of nodes of its own.
type Peak struct {
	From, To time.Duration // since midnight, UTC; To may be on the next day
	Nodes    int
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Peak) UnmarshalText(text []byte) error {
	var fromHour, fromMinute, toHour, toMinute int
	var rest string
	n, _ := fmt.Sscanf(string(text), "%d:%d-%d:%d=%d%s", &fromHour, &fromMinute, &toHour, &toMinute, &p.Nodes, &rest)
	p.From = time.Duration(fromHour)*time.Hour + time.Duration(fromMinute)*time.Minute
	p.To = time.Duration(toHour)*time.Hour + time.Duration(toMinute)*time.Minute
	const day = 24 * time.Hour
	if n != 5 || min(fromHour, fromMinute, toHour, toMinute) < 0 || max(fromMinute, toMinute) > 59 || p.From >= day || p.To > day || p.From == p.To || p.Nodes < 1 {
		return errors.New("a time of the day and a number of nodes such as 07:30-09:00=12")
	}
	return nil
}

// holds reports whether it is the peak's time.
func (p Peak) holds(at time.Time) bool {
	since := at.UTC().Sub(at.UTC().Truncate(24 * time.Hour))
	if p.From < p.To {
		return p.From <= since && since < p.To
	}
	return since >= p.From || since < p.To
}
