package state

import (
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestMerge: two nodes of a stream, of which one is behind, and a third program.
func TestMerge(t *testing.T) {
	node := func(name string, change func(*Stream)) State {
		s := Stream{
			Name: "fleet", Topic: "telemetry", Group: "penstock", Nodes: []string{name},
			History: []Sample{{At: noon.Add(-5 * time.Second), Read: 100, Stored: 90, P99: number(0.5), Oldest: 0.1, Lag: 10}, {At: noon, Read: 100, Stored: 90, Oldest: 0.1, Lag: 10}},
			Rates:   Rates{Read: 100, Stored: 90, Inserts: 1, InsertSeconds: 0.1}, Freshness: Freshness{P50: number(0.2), P99: number(0.5), Waiting: 0.1},
			Backlog: Backlog{Records: 10, Seconds: 0.1, Done: number(100), Arriving: number(100), Left: number(0)},
			Lanes:   []Lane{{Node: name}}, InFlight: InFlight{Intents: 1, Since: noon},
			Rejects: Rejects{Topic: "telemetry.dead", Total: 1, Records: 9000, Rejected: 100, Reasons: []RejectReason{{"time", 1}}, Samples: []RejectSample{{At: noon, Reason: "time"}}},
		}
		change(&s)
		return State{Programs: []Program{{Name: name, Kind: "ingest"}}, Streams: []Stream{s}}
	}
	well := node("b:9464", func(s *Stream) {
		s.Partitions = []Partition{{ID: 1, Node: "b:9464", High: 100, Lag: 10}, {ID: 3, Node: "b:9464", High: 100, Lag: 10}}
	})
	behind := node("a:9464", func(s *Stream) {
		s.History = s.History[1:]
		s.History[0].P99, s.History[0].Oldest = number(40), 40
		s.Rates.Inserts, s.Rates.InsertSeconds = 3, 0.5
		s.Freshness.P99 = nil
		s.Backlog = Backlog{Records: 5000, Seconds: 40, Done: number(200), Arriving: number(100), Left: number(50)}
		// Partition 1 was its own a moment ago.
		s.Partitions = []Partition{{ID: 0, Node: "a:9464", High: 9000, Lag: 5000, Seconds: 40, Arriving: 300}, {ID: 1, Node: "a:9464", High: 90, Lag: 2}}
		s.Breakers = []Breaker{{"a:9464", noon}}
		s.InFlight.Since = noon.Add(-time.Minute)
		s.Rejects.Reasons = []RejectReason{{"type", 7}, {"time", 3}}
		s.Rejects.Total, s.Rejects.High, s.Rejects.HighSince = 10, true, noon.Add(-time.Minute)
		s.Rejects.Records, s.Rejects.Rejected = 1000, 900
	})
	other := State{Programs: []Program{{Name: "c:9465", Kind: "compactor"}}, Tables: []Table{{Name: "fleet", Node: "c:9465"}}, Peers: []Peer{{Name: "d:9464", Since: noon}}}
	got := Merge(noon, well, other, behind)
	golden(t, "merged.json", got)

	// Nothing depends on who was asked first.
	if a, b := Merge(noon, behind, well, other).Judged(), got.Judged(); a.Headline != b.Headline || !slices.Equal(a.Findings, b.Findings) || a.Streams[0].Rates != b.Streams[0].Rates {
		t.Errorf("in another order: %+v and %+v", a, b)
	}
	// What it is made of stays as it is: nodes are asked while others read.
	if len(well.Streams[0].Nodes) != 1 || len(well.Streams[0].Lanes) != 1 || well.Streams[0].Partitions[0].Node != "b:9464" {
		t.Errorf("a part was changed: %+v", well.Streams[0])
	}
	// While one of several nodes cannot say when it has caught up, nobody can.
	b := Backlog{Left: number(5)}.with(Backlog{Seconds: 60})
	if b.Left != nil || b.Seconds != 60 {
		t.Errorf("together %+v", b)
	}
	if s := Merge(noon); s.Findings == nil || s.Programs == nil {
		t.Errorf("of nothing: %+v", s)
	}
}
