package drill

import (
	"fmt"
	"time"
)

// Promised is how old an event may be before it is queryable.
const Promised = 5 * time.Second

// Verdict is what the day comes to.
type Verdict struct {
	// Recovered: at the end of the day nothing is older than promised. After is how
	// long that took from the end of the outage.
	Recovered bool          `json:"recovered"`
	After     time.Duration `json:"after_ns"`
	Arrived   int64         `json:"arrived"`
	Stored    int64         `json:"stored"`
	MaxLag    int64         `json:"max_lag"`
	MaxBehind time.Duration `json:"max_behind_ns"`
	// Late is for how long anything was older than promised, Held for how long the
	// scaler held.
	Late time.Duration `json:"late_ns"`
	Held time.Duration `json:"held_ns"`
	// Safe: Kafka kept whatever was not stored yet.
	Safe bool `json:"kafka_safe"`
	// NodeHours are those that were paid for; StaticHours those of as many nodes as
	// there ever were, all day.
	NodeHours   float64 `json:"node_hours"`
	StaticHours float64 `json:"static_hours"`
	// Slow is what bounded the recovery: nodes or ClickHouse.
	Slow string `json:"bounded_by,omitempty"`
}

// tally makes a verdict of what is seen second by second.
type tally struct {
	Verdict
	ends                  time.Duration // of the outage
	mostNodes             int
	nodesSlow, engineSlow int // seconds after the outage that were bounded by either
}

// note adds a second that ends now.
func (t *tally) note(now time.Duration, q *queue, g *group, w work) {
	behind := q.behind(now)
	t.MaxLag, t.MaxBehind = max(t.MaxLag, q.lag()), max(t.MaxBehind, behind)
	if behind > Promised {
		t.Late += time.Second
		t.After = max(0, now-t.ends)
	}
	switch {
	case behind <= Promised || now <= t.ends:
	case w.waiting:
		t.engineSlow++
	default:
		t.nodesSlow++
	}
	if g.held {
		t.Held += time.Second
	}
	nodes := len(g.nodes) + len(g.coming)
	t.mostNodes = max(t.mostNodes, nodes)
	t.NodeHours += float64(nodes) / 3600
}

// verdict is what it comes to at the end of a day.
func (t *tally) verdict(length time.Duration, q *queue, kept time.Duration) Verdict {
	v := t.Verdict
	v.Arrived, v.Stored = q.arrived, q.stored
	v.Recovered = q.behind(length) <= Promised
	v.Safe = v.MaxBehind < kept
	v.StaticHours = float64(t.mostNodes) * length.Hours()
	switch {
	case t.engineSlow > t.nodesSlow:
		v.Slow = "ClickHouse"
	case t.nodesSlow > 0:
		v.Slow = "nodes"
	}
	return v
}

// String is the verdict in sentences.
func (v Verdict) String() string {
	text := "It has not caught up by the end of the day: "
	if v.Recovered {
		text = fmt.Sprintf("It has caught up %s after the outage: ", duration(v.After))
	}
	text += fmt.Sprintf("at most %s events waited, the oldest for %s; events were older than %s for %s.",
		count(float64(v.MaxLag)), duration(v.MaxBehind), Promised, duration(v.Late))
	if v.Slow != "" {
		text += fmt.Sprintf(" What bounded it was %s.", v.Slow)
	}
	if v.Held > 0 {
		text += fmt.Sprintf(" The scaler held the number of nodes for %s, since ClickHouse was the bottleneck.", duration(v.Held))
	}
	if v.Safe {
		text += " Kafka kept everything."
	} else {
		text += " Kafka did not keep everything: events were lost."
	}
	return text + fmt.Sprintf(" %.0f node hours, of %.0f for the most nodes all day.", v.NodeHours, v.StaticHours)
}
