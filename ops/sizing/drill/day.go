package drill

import (
	"math"
	"time"
)

// Day is what was seen of it.
type Day struct {
	Scenario Scenario `json:"-"`
	Away     Part     `json:"away"`
	Minutes  []Moment `json:"-"`
	Changes  []Change `json:"changes"`
	Verdict  Verdict  `json:"verdict"`
}

// Moment is the state at the end of a minute.
type Moment struct {
	At                 time.Duration
	Arriving, Stored   float64 // events a second, as the mean of the minute
	Lag                int64
	Behind             time.Duration // of the oldest event that is not stored
	Nodes              int           // that read
	NodeUse, EngineUse float64       // shares of their cores, as the mean of the minute
	Held               bool          // the scaler holds since ClickHouse is the bottleneck
}

// Change is a decision of the scaler that differs from its last: another number of
// nodes, or the same that is held now.
type Change struct {
	At     time.Duration `json:"at_ns"`
	From   int           `json:"from"`
	To     int           `json:"to"`
	Reason string        `json:"reason"`
}

// Play plays a day.
func Play(s System, what Scenario) Day {
	d := Day{Scenario: what, Away: what.Away}
	g, q := newGroup(s, what), &queue{}
	t := tally{ends: what.At + what.For}
	var minute Moment
	var fraction float64 // of an event that has not arrived yet
	for at := time.Duration(0); at < what.Length; at += time.Second {
		out := at >= what.At && at < t.ends
		switch {
		case out && what.Away == Ingest && at == what.At:
			g.die()
		case what.Away == Ingest && what.For > 0 && at == t.ends:
			g.join(at, g.wanted)
		}
		g.arrive(at)

		coming := s.arriving(at) + fraction
		events := int64(coming)
		fraction = coming - float64(events)
		q.arrive(events)
		now, away := at+time.Second, out && what.Away == ClickHouse
		w := second(s, g, q, now, away)
		q.store(int64(w.stored))
		g.count(w)
		t.note(now, q, g, w)

		minute.add(s, float64(events), w, len(g.nodes))
		if now%time.Minute == 0 {
			minute.At, minute.Lag, minute.Behind, minute.Nodes, minute.Held = now, q.lag(), q.behind(now), len(g.nodes), g.held
			d.Minutes, minute = append(d.Minutes, minute), Moment{}
		}
		if from, held := g.wanted, g.held; now%lookEvery == 0 {
			g.look(now, q, away)
			if g.wanted != from || g.held && !held {
				d.Changes = append(d.Changes, Change{now, from, g.wanted, g.reason})
			}
		}
	}
	d.Verdict = t.verdict(what.Length, q, s.KafkaKeeps)
	return d
}

// add adds a second to the means of the minute.
func (m *Moment) add(s System, events float64, w work, nodes int) {
	m.Arriving += events / 60
	m.Stored += w.stored / 60
	m.EngineUse += s.engineUse(w.stored, w.inserts) / 60
	if n := float64(nodes); n > 0 {
		m.NodeUse += (float64(s.Lanes)*s.LaneCPU + s.NodeCPU*w.stored/n) / s.NodeCores / 60
	}
}

// second is what is done in one that ends now.
func second(s System, g *group, q *queue, now time.Duration, away bool) work {
	if away {
		return work{away: true}
	}
	nodes := s.nodesCan(len(g.nodes))
	if now <= g.stands {
		nodes = 0
	}
	waits, engine := float64(q.lag()), s.engineCan()
	w := work{stored: math.Trunc(min(waits, nodes, engine))}
	w.waiting = engine < min(waits, nodes)
	behind := q.behind(now) > time.Second
	if w.stored > 0 {
		w.inserts = s.inserts(len(g.nodes), w.stored, behind)
		rows := w.stored / w.inserts / float64(s.Shards)
		w.took = s.InsertCPU + rows*s.EngineCPU
		if w.waiting { // a lane has two on their way, and they have all the cores
			w.took = 2 * float64(len(g.nodes)*s.Lanes) / w.inserts
		}
	}
	return w
}
