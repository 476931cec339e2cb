// Package statetest has states of a cluster as they could be, for tests of what is
// made of them: three nodes that read a topic of twelve partitions, a compactor, and
// a watcher.
package statetest

import (
	"fmt"
	"math"
	"syscall"
	"time"

	"penstock/ops/state"
)

// At is when the states are of.
var At = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// Names of the states.
const (
	Healthy    = "healthy"
	Away       = "clickhouse_away"
	Hot        = "hot_partition"
	CatchingUp = "catching_up"
	Rejecting  = "dead_letters"
)

// Names returns all of them.
func Names() []string { return []string{Healthy, Away, Hot, CatchingUp, Rejecting} }

// New returns a state of a name, judged.
func New(name string) state.State {
	s := base()
	switch change, ok := changes[name]; {
	case ok:
		change(&s)
	case name != Healthy:
		panic(fmt.Sprintf("BUG: there is no state %q", name))
	}
	behind(&s)
	return state.Merge(At, s).Judged()
}

// behind has Kafka say of each partition what the nodes do.
func behind(s *state.State) {
	for i, p := range s.Streams[0].Partitions {
		k := &s.Kafka[0].Partitions[i]
		k.Lag, k.Seconds, k.Retention = p.Lag, p.Seconds, number(*k.Retention-p.Seconds)
	}
}

var changes = map[string]func(*state.State){
	Away: func(s *state.State) {
		one, since := &s.Streams[0], At.Add(-4*time.Minute-12*time.Second)
		for i := range one.History {
			if h := &one.History[i]; h.At.After(since) {
				h.Stored, h.P50, h.P99 = 0, nil, nil
				h.Oldest = h.At.Sub(since).Seconds()
				h.Lag = int64(60_000 * h.Oldest)
				h.Read = max(0, 60_000-3_000*h.Oldest)
			}
		}
		one.Rates = state.Rates{Retries: 0.4}
		one.Freshness = state.Freshness{Waiting: 252}
		one.Rejects.Records, one.Rejects.Rejected = 0, 0
		one.Backlog = state.Backlog{Records: 15_120_000, Seconds: 252, Done: number(0), Arriving: number(60_000)}
		for i := range one.Partitions {
			p := &one.Partitions[i]
			p.Lag, p.Seconds, p.Committed = 1_260_000, 252-float64(i)/10, p.High-1_260_000
		}
		for i := range one.Lanes {
			one.Lanes[i].PausedSince = since.Add(20 * time.Second)
		}
		refused := fmt.Errorf("dial tcp 10.0.3.7:9000: connect: %w", syscall.ECONNREFUSED)
		for _, n := range one.Nodes {
			one.Breakers = append(one.Breakers, state.Breaker{Node: n, Since: since.Add(5 * time.Second)})
			one.Failing = append(one.Failing, state.Failing{Node: n, What: "insert", Since: since, Last: At.Add(-2 * time.Second), Times: 38, Cause: state.CauseOf(refused), Error: refused.Error()})
		}
		one.InFlight = state.InFlight{Intents: 12, Since: since}
		for i := range s.Programs[:3] {
			s.Programs[i].Problems = []string{"stream telemetry: insert has been failing for 4m12s: " + refused.Error()}
			s.Programs[i].CPU.Used = 0.1
		}
		exportFails(s, since, refused)
		s.ClickHouse[0] = state.ClickHouse{Name: "clickhouse-0:9000", Since: since, Error: refused.Error()}
		s.Canary[0].P50, s.Canary[0].P99, s.Canary[0].Waiting, s.Canary[0].Lost = nil, nil, 30, 222
		s.Kafka[0].Records, s.Kafka[0].Seconds = 15_120_000, 252
	},
	Hot: func(s *state.State) {
		one := &s.Streams[0]
		p := &one.Partitions[7]
		p.Lag, p.Seconds, p.Arriving, p.Committed, p.Hot = 3_410_000, 96, 38_000, p.High-3_410_000, true
		one.Backlog = state.Backlog{Records: 3_432_000, Seconds: 96, Done: number(88_000), Arriving: number(93_000)}
		one.Freshness.P99, one.Freshness.Waiting = number(91), 96
		one.Lanes[4].PausedSince = At.Add(-90 * time.Second)
		for i := range one.History {
			if h, since := &one.History[i], At.Add(-110*time.Second); h.At.After(since) {
				h.Oldest = h.At.Sub(since).Seconds()
				h.P99, h.Lag = number(h.Oldest*0.95), int64(h.Oldest*31_000)
				h.Read, h.Stored = 93_000, 88_000
			}
		}
	},
	CatchingUp: func(s *state.State) {
		one, began := &s.Streams[0], At.Add(-9*time.Minute)
		up := began.Add(6 * time.Minute)
		for i := range one.History {
			h := &one.History[i]
			switch {
			case h.At.Before(began):
			case h.At.Before(up):
				h.Stored, h.P50, h.P99, h.Oldest = 0, nil, nil, h.At.Sub(began).Seconds()
			default:
				h.Oldest = 360 - 1.2*h.At.Sub(up).Seconds()
				h.P50, h.P99, h.Stored, h.Read = number(0.9*h.Oldest), number(h.Oldest), 132_000, 132_000
			}
			h.Lag = int64(60_000 * h.Oldest)
		}
		one.Rates.Read, one.Rates.Stored, one.Rates.StoredBytes = 132_000, 132_000, 66e6
		one.Freshness = state.Freshness{P50: number(130), P99: number(148), Waiting: 144}
		one.Backlog = state.Backlog{Records: 8_640_000, Seconds: 144, Done: number(132_000), Arriving: number(60_000), Left: number(120)}
		for i := range one.Partitions {
			p := &one.Partitions[i]
			p.Lag, p.Seconds, p.Committed = 720_000, 144, p.High-720_000
		}
		s.Canary[0].P50, s.Canary[0].P99, s.Canary[0].Waiting = nil, nil, 4
		for i := range s.Programs[:3] {
			s.Programs[i].CPU.Used = 3.2
		}
	},
	Rejecting: func(s *state.State) {
		r := &s.Streams[0].Rejects
		r.High, r.HighSince, r.Total = true, At.Add(-2*time.Minute-36*time.Second), 1_340_500
		r.Records, r.Rejected = 3_600_000, 446_400
		r.Reasons = []state.RejectReason{{Reason: "type", Total: 1_339_200}, {Reason: "time", Total: 1_180}, {Reason: "malformed", Total: 120}}
		for i := range 4 {
			r.Samples = append(r.Samples, state.RejectSample{At: At.Add(-time.Duration(i) * 300 * time.Millisecond), Partition: int32(3 + i), Offset: 8_812_041 - int64(i), Reason: "type", Detail: `seq is "4711", want a number`})
		}
		r.Samples = append(r.Samples,
			state.RejectSample{At: At.Add(-4 * time.Second), Partition: 1, Offset: 8_790_112, Reason: "time", Detail: "ts is 2041-01-01T00:00:00Z, 14 years after Kafka's time"},
			state.RejectSample{At: At.Add(-9 * time.Second), Partition: 11, Offset: 8_790_007, Reason: "malformed", Detail: `invalid character '\u001b' looking for beginning of value`})
		s.Streams[0].Rates.Rejected, s.Streams[0].Rates.Stored = 7_440, 51_900
		for i := range s.Streams[0].History {
			if h := &s.Streams[0].History[i]; h.At.After(At.Add(-3 * time.Minute)) {
				h.Rejected, h.Stored = 7_440, h.Stored-7_440
			}
		}
	},
}

// exportFails ends the pass that was at work, as a compactor tells it: the day is where
// it was, and the next pass is due some minutes later.
func exportFails(s *state.State, since time.Time, why error) {
	t, compactor := &s.Tables[0], &s.Programs[3]
	t.Planned, t.Rates = since, state.TableRates{}
	for i := range t.Days {
		if d := &t.Days[i]; d.Doing != nil {
			d.Doing, d.Error = nil, fmt.Sprintf("export %s, generation 1: %v", d.Day, why)
			t.Failing = &state.Failing{Node: t.Node, What: "pass", Since: since, Last: since, Times: 1, Cause: state.CauseOf(why), Error: d.Error}
		}
	}
	compactor.Problems = []string{"table telemetry: passes have been failing for 4m12s: " + t.Failing.Error}
	compactor.CPU.Used = 0
}

func number(v float64) *float64 { return &v }

// wave is a number around 1, the same each time.
func wave(i int) float64 {
	return 1 + 0.06*math.Sin(float64(i)/7) + 0.03*math.Sin(float64(i)*1.7)
}

func base() state.State {
	s := state.State{Streams: []state.Stream{stream()}, Tables: []state.Table{table()}}
	for i := range 3 {
		s.Programs = append(s.Programs, state.Program{
			Name: fmt.Sprintf("ingest-%d:9464", i), Kind: "ingest", Version: "v0.8.0", Started: At.Add(-76 * time.Hour),
			Memory: state.Memory{Used: 412e6 + int64(i)*9e6, Budget: 1 << 30}, CPU: state.CPU{Used: 0.42 + float64(i)/50, Cores: 4},
			Settings: []state.Setting{{Key: "kafka.topic", Value: "telemetry"}, {Key: "kafka.group", Value: "penstock"}, {Key: "clickhouse.addr", Value: "clickhouse-0:9000"}, {Key: "batch.age", Value: "500ms"}, {Key: "lanes", Value: "2"}},
		})
		s.Peers = append(s.Peers, state.Peer{Name: fmt.Sprintf("10.0.1.%d:9464", 11+i), Kind: "ingest", Program: fmt.Sprintf("ingest-%d:9464", i)})
	}
	s.Programs = append(s.Programs,
		state.Program{Name: "compactor-0:9465", Kind: "compactor", Version: "v0.8.0", Started: At.Add(-76 * time.Hour), Memory: state.Memory{Used: 310e6, Budget: 1 << 30}, CPU: state.CPU{Used: 0.9, Cores: 4}},
		state.Program{Name: "watch-0:9468", Kind: "watch", Version: "v0.8.0", Started: At.Add(-76 * time.Hour), Memory: state.Memory{Used: 41e6}, CPU: state.CPU{Used: 0.02, Cores: 4}})
	s.Canary = []state.Canary{{Stream: "telemetry", P50: number(0.31), P99: number(0.72), Sent: 274_000, Limit: 30, Seen: At.Add(-time.Second)}}
	s.Kafka = []state.Kafka{{Stream: "telemetry", Up: true, Since: At.Add(-76 * time.Hour), Members: 3, Records: 21_000, Seconds: 0.4, Arriving: 60_000}}
	for _, p := range s.Streams[0].Partitions {
		kept := 52*3600 - float64(p.ID*7%12)*1400
		s.Kafka[0].Partitions = append(s.Kafka[0].Partitions, state.KafkaPartition{ID: p.ID, Retention: number(kept)})
	}
	s.ClickHouse = []state.ClickHouse{{
		Name: "clickhouse-0:9000", Up: true, Since: At.Add(-76 * time.Hour), Version: "26.7.1",
		Parts: []state.TableParts{{Table: "telemetry", Parts: 512, Most: 41, Delay: 1000, Throw: 3000}, {Table: "telemetry_sealed", Parts: 3, Most: 3, Delay: 1000, Throw: 3000}},
		Disks: []state.Disk{{Name: "default", Free: 1_310e9, Total: 3_840e9}},
	}}
	s.Days = []state.Days{{Table: "telemetry", Hot: 31, Sealed: 1, Cold: 60, Oldest: "2026-10-23", Seconds: 30 * 86400, Due: 33 * 86400}}
	return s
}

func stream() state.Stream {
	one := state.Stream{
		Name: "telemetry", Topic: "telemetry", Group: "penstock", Nodes: []string{"ingest-0:9464", "ingest-1:9464", "ingest-2:9464"},
		Rates:     state.Rates{Read: 60_120, ReadBytes: 30.1e6, Stored: 59_340, StoredBytes: 29.4e6, Inserts: 11.8, InsertSeconds: 0.062, Duplicates: 760, Rejected: 0.4},
		Freshness: state.Freshness{P50: number(0.24), P99: number(0.61), Waiting: 0.4},
		Backlog:   state.Backlog{Records: 21_400, Seconds: 0.4, Done: number(60_100), Arriving: number(60_120), Left: number(0)},
		InFlight:  state.InFlight{Intents: 5, Since: At.Add(-200 * time.Millisecond)},
		Rejects: state.Rejects{Topic: "telemetry.dead", Total: 1_300, Records: 3_606_000, Rejected: 24, Reasons: []state.RejectReason{{Reason: "time", Total: 1_180}, {Reason: "malformed", Total: 120}},
			Samples: []state.RejectSample{}},
	}
	for i := range int(state.HistoryFor / state.SampleEvery) {
		w := wave(i)
		one.History = append(one.History, state.Sample{
			At: At.Add(-state.HistoryFor + time.Duration(i+1)*state.SampleEvery), Read: 60_000 * w, Stored: 59_300 * wave(i-1), Rejected: 0.4,
			P50: number(0.24 * w), P99: number(0.61 * wave(3*i)), Oldest: 0.4 * w, Lag: int64(21_400 * w),
		})
	}
	for id := range int32(12) {
		high := 8_812_000 + int64(id)*3_217
		lag := 1_700 + int64(id*id%5)*60
		one.Partitions = append(one.Partitions, state.Partition{ID: id, Node: one.Nodes[id%3], Committed: high - lag, High: high, Lag: lag, Seconds: 0.4 - float64(id)/100, Arriving: 5_000 + float64(id*37%11)*20})
	}
	for i := range 6 {
		one.Lanes = append(one.Lanes, state.Lane{Node: one.Nodes[i/2], Lane: i % 2})
	}
	return one
}

func table() state.Table {
	t := state.Table{Name: "telemetry", Node: "compactor-0:9465", Planned: At.Add(-3 * time.Minute), Lease: state.Lease{Held: true, Fence: 218}, Rates: state.TableRates{Rows: 610_000, Bytes: 19.4e6}}
	first := time.Date(2026, 8, 24, 0, 0, 0, 0, time.UTC)
	for i := range 92 {
		day := first.AddDate(0, 0, i)
		d := state.Day{Day: day.Format(time.DateOnly)}
		rows := uint64(5_130_000_000 * wave(i))
		switch {
		case i < 60:
			d.State, d.ColdRows, d.ColdBytes = "cold", rows, rows*32
		case i == 60:
			d.State, d.SealedRows, d.LocalBytes, d.NextAction = "sealed", rows, rows*71, "export"
			d.Doing = &state.Doing{Action: "export", Since: At.Add(-52 * time.Minute), What: "export", Rows: rows / 100 * 37, Of: rows}
		default:
			d.State, d.HotRows, d.LocalBytes, d.NextAction, d.Due = "hot", rows, rows*71, "seal", day.AddDate(0, 0, 31)
		}
		switch i {
		case 41:
			d.Late, d.HotRows, d.NextAction, d.Due = true, 18_230, "seal", At.Add(5*time.Hour)
		case 12:
			d.State = "restored"
		}
		t.Days = append(t.Days, d)
	}
	return t
}
