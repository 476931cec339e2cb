package state

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// healthy is a state in which nothing is to be found.
func healthy() State {
	return State{
		At:       noon,
		Programs: []Program{{Name: "a:9464", Kind: "ingest", Version: "v1", Started: noon.Add(-time.Hour), CPU: CPU{Used: 0.4, Cores: 4}, Memory: Memory{Used: 5, Budget: 10}}, {Name: "b:9464", Kind: "ingest", Version: "v1", Started: noon.Add(-time.Hour), CPU: CPU{Used: 0.4, Cores: 4}}},
		Peers:    []Peer{{Name: "10.0.0.7:9464", Kind: "ingest"}},
		Streams: []Stream{{
			Name: "fleet", Nodes: []string{"a:9464", "b:9464"}, Rates: Rates{Read: 20_000, Stored: 20_000, Inserts: 4, InsertSeconds: 0.1}, Freshness: Freshness{P50: number(0.2), P99: number(0.6)},
			Backlog: Backlog{Records: 10, Seconds: 0.3, Done: number(20_000), Arriving: number(20_000), Left: number(0)}, Lanes: []Lane{{Node: "a:9464"}, {Node: "b:9464"}},
			InFlight: InFlight{Intents: 2, Since: noon.Add(-time.Second)}, Rejects: Rejects{Topic: "fleet.dead"},
		}},
		Tables:     []Table{{Name: "fleet", Days: []Day{{Day: "2026-10-01", State: "cold"}}}},
		Canary:     []Canary{{Stream: "fleet", P99: number(0.7)}},
		Kafka:      []Kafka{{Stream: "fleet", Up: true, Members: 2, Records: 10, Partitions: []KafkaPartition{{ID: 0, Intents: 1, OldestIntent: 0.2}}}},
		ClickHouse: []ClickHouse{{Name: "ch:9000", Up: true, Parts: []TableParts{{Table: "fleet", Most: 40, Delay: 1000}}, Disks: []Disk{{Name: "default", Free: 50, Total: 100}}}},
		Days:       []Days{{Table: "fleet", Oldest: "2026-10-24", Seconds: 2.6e6, Due: 2.8e6}},
	}
}

// TestDiagnose: each fault is named by its cause, with the runbook, and said first.
func TestDiagnose(t *testing.T) {
	// f changes a healthy state, and wants findings as "level id runbook", in their order,
	// and the headline to begin with a text.
	f := func(what string, change func(*State, *Stream), headline string, want ...string) {
		t.Helper()
		s := healthy()
		change(&s, &s.Streams[0])
		s = s.Judged()
		var got []string
		for _, one := range s.Findings {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", one.Level, one.ID, one.Runbook)))
			if one.What == "" || one.Why == "" || one.Do == "" || strings.HasSuffix(one.What, ".") || !strings.HasSuffix(one.Do, ".") {
				t.Errorf("%s: a finding is not whole: %+v", what, one)
			}
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s: found %q, want %q", what, got, want)
		}
		if !strings.HasPrefix(s.Headline.Text, headline) {
			t.Errorf("%s: the headline is %q, want it to begin with %q", what, s.Headline.Text, headline)
		}
	}
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	fails := func(what string, cause Cause, since time.Duration) func(*State, *Stream) {
		return func(_ *State, one *Stream) {
			one.Failing = []Failing{{Node: "a:9464", What: what, Since: ago(since), Last: noon, Times: 9, Cause: cause, Error: "said"}}
			one.Backlog = Backlog{Records: 1_200_000, Seconds: since.Seconds()}
		}
	}
	behind := func(more func(*State, *Stream)) func(*State, *Stream) {
		return func(s *State, one *Stream) {
			one.Backlog = Backlog{Records: 1_200_000, Seconds: 60, Done: number(20_000), Arriving: number(21_000)}
			more(s, one)
		}
	}
	nothing := func(*State, *Stream) {}

	f("all is well", nothing, "All is well: 20.0 k events/s are queryable after 0.6 s (p99)")
	f("nothing arrives", func(_ *State, one *Stream) { one.Rates, one.Freshness = Rates{}, Freshness{} }, "All is well: nothing arrives")
	f("a compactor alone", func(s *State, _ *Stream) { *s = State{At: noon, Tables: s.Tables} }, "All is well: every day")
	f("nobody knows anything", func(s *State, _ *Stream) { *s = State{At: noon} }, "Nothing is known")

	f("a retry or two", fails("insert", CauseAway, 2*time.Second), "All is well")
	f("ClickHouse is away", fails("insert", CauseAway, time.Minute), "ClickHouse does not answer since 1 min 00 s; 1.20 M records wait in Kafka", "bad clickhouse lag-grows-cpu-low")
	f("at a takeover", fails("settle", CauseAway, time.Minute), "ClickHouse does not answer", "bad clickhouse lag-grows-cpu-low")
	f("a takeover waits for something else", fails("settle", CauseOther, time.Minute), "what an earlier node declared cannot be settled since 1 min 00 s", "bad settling stuck-intent")
	f("its partition says no more than that", func(s *State, one *Stream) {
		fails("settle", CauseOther, time.Minute)(s, one)
		one.Settling = []Settling{{4, "a:9464", ago(time.Minute)}}
	}, "what an earlier node declared cannot be settled since 1 min 00 s", "bad settling stuck-intent")
	f("it is read-only", fails("insert", CauseReadOnly, time.Minute), "ClickHouse is read-only", "bad clickhouse clickhouse-readonly")
	f("its disk is full", fails("insert", CauseDisk, time.Minute), "ClickHouse has no space left", "bad clickhouse disk-full")
	f("it has too many parts", fails("insert", CauseParts, time.Minute), "ClickHouse refuses inserts for too many parts", "bad clickhouse freshness-worse-parts-grow")
	f("it is short of memory", fails("insert", CauseMemory, time.Minute), "ClickHouse is short of memory", "bad clickhouse lag-grows-cpu-low")
	f("the user is refused", fails("insert", CauseAccess, time.Minute), "ClickHouse refuses the nodes' user", "bad clickhouse bad-deploy")
	f("something else", fails("insert", CauseOther, time.Minute), "ClickHouse takes no inserts", "bad clickhouse lag-grows-cpu-low")
	f("nodes cannot begin", fails("check", CauseAway, time.Minute), "nodes cannot begin", "bad clickhouse lag-grows-cpu-low")
	f("a breaker alone", func(_ *State, one *Stream) { one.Breakers = []Breaker{{"a:9464", ago(10 * time.Second)}} }, "ClickHouse does not answer", "bad clickhouse lag-grows-cpu-low")
	f("a breaker that has just opened", func(s *State, one *Stream) {
		fails("insert", CauseDisk, time.Second)(s, one)
		one.Breakers = []Breaker{{"a:9464", ago(time.Second)}}
	}, "ClickHouse has no space left since 1.0 s", "bad clickhouse disk-full")
	f("Kafka is away", fails("read", CauseAway, time.Minute), "Kafka does not answer since 1 min 00 s", "bad kafka lag-grows-cpu-low")
	f("commits fail", fails("commit", CauseOther, time.Minute), "Kafka does not answer", "bad kafka lag-grows-cpu-low")
	f("Kafka has deleted it", fails("read", CauseOffset, time.Minute), "Kafka has deleted records", "bad offset offset-out-of-range")

	f("a takeover takes its time", func(_ *State, one *Stream) { one.Settling = []Settling{{4, "a:9464", ago(5 * time.Second)}} }, "All is well")
	f("settling is stuck", func(_ *State, one *Stream) { one.Settling = []Settling{{4, "a:9464", ago(time.Minute)}} }, "1 partition is not read since 1 min 00 s", "bad settling stuck-intent")
	f("a batch is stuck", func(_ *State, one *Stream) { one.InFlight.Since = ago(2 * time.Minute) }, "2 batches declared and not stored", "bad settling stuck-intent")
	f("an intent nobody settles", func(s *State, _ *Stream) { s.Kafka[0].Partitions[0].OldestIntent = 300 }, "a batch was declared 5 min 00 s ago", "bad settling stuck-intent")

	f("a hot partition", func(_ *State, one *Stream) {
		one.Backlog.Seconds = 40
		one.Partitions = []Partition{{ID: 3, Hot: true, Seconds: 40, Lag: 1_000_000, Arriving: 9000}}
	}, "partition 3 is 40 s behind", "warn hot hot-partition")
	f("one that is far behind", func(_ *State, one *Stream) {
		one.Backlog.Seconds = 400
		one.Partitions = []Partition{{ID: 3, Hot: true, Seconds: 400}}
	}, "partition 3 is 6 min 40 s behind", "bad hot hot-partition")
	f("catching up", behind(func(_ *State, one *Stream) { one.Backlog.Left = number(90) }), "catching up: 1 min 00 s behind, caught up in 1 min 30 s", "warn catching-up lag-grows-cpu-high")
	f("ClickHouse is slow", behind(func(_ *State, one *Stream) { one.Rates.InsertSeconds = 4 }), "ClickHouse is the bottleneck", "bad clickhouse-slow lag-grows-cpu-low")
	f("lanes wait for it", behind(func(_ *State, one *Stream) { one.Lanes[0].PausedSince = ago(time.Minute) }), "ClickHouse is the bottleneck", "bad clickhouse-slow lag-grows-cpu-low")
	f("it is slow for its parts", behind(func(s *State, _ *Stream) { s.ClickHouse[0].Parts[0].Most = 1200 }), "ClickHouse is slow for too many parts", "bad clickhouse-slow freshness-worse-parts-grow")
	f("too few nodes", behind(func(s *State, _ *Stream) { s.Programs[0].CPU.Used, s.Programs[1].CPU.Used = 3.5, 3.5 }), "there are too few nodes", "bad capacity lag-grows-cpu-high")
	f("full lanes of busy nodes", behind(func(s *State, one *Stream) {
		s.Programs[0].CPU.Used, s.Programs[1].CPU.Used = 3.5, 3.5
		one.Lanes[0].PausedSince = ago(time.Minute)
	}), "there are too few nodes", "bad capacity lag-grows-cpu-high")
	f("nobody knows why", behind(nothing), "1 min 00 s behind, and the lag does not shrink", "bad behind lag-grows-cpu-low")
	f("many rejects", func(_ *State, one *Stream) {
		one.Rejects = Rejects{Topic: "fleet.dead", High: true, HighSince: ago(time.Minute), Records: 50_000, Rejected: 6_000, Total: 100, Reasons: []RejectReason{{"type", 100}}}
	}, "12.0 % of the last minute's records cannot be stored", "warn rejects dlq-fills")
	f("many were rejected, and nothing comes now", func(_ *State, one *Stream) {
		one.Rejects = Rejects{Topic: "fleet.dead", High: true, HighSince: ago(time.Minute)}
	}, "records cannot be stored", "warn rejects dlq-fills")

	f("canaries are late", func(s *State, _ *Stream) { s.Canary[0].P99 = number(12) }, "what devices send is queryable after 12 s", "bad canary canary-late")
	f("none is seen", func(s *State, _ *Stream) { s.Canary[0].P99, s.Canary[0].Waiting = nil, 20 }, "what devices send is queryable after 20 s", "bad canary canary-late")
	f("no node lives", func(s *State, _ *Stream) {
		s.Streams, s.Programs = nil, nil
		s.Kafka[0].Members, s.Kafka[0].Records, s.Kafka[0].Seconds = 0, 5000, 100
		s.Peers[0].Since, s.Peers[0].Error = ago(100*time.Second), "connection refused"
	}, "no node reads the topic; 5,000 records wait, the oldest for 1 min 40 s", "bad no-node bad-deploy", "bad away bad-deploy")
	f("Kafka is away from the watcher", func(s *State, _ *Stream) {
		s.Kafka[0] = Kafka{Stream: "fleet", Since: ago(time.Minute), Error: "refused"}
	}, "Kafka does not answer the watcher", "bad kafka lag-grows-cpu-low")
	f("Kafka will delete it", func(s *State, _ *Stream) {
		s.Kafka[0].Partitions = []KafkaPartition{{Lag: 10, Retention: number(1800)}}
	}, "Kafka deletes records that are not stored in 30 min 00 s", "bad retention offset-out-of-range")
	f("nothing waits that it could delete", func(s *State, _ *Stream) { s.Kafka[0].Partitions = []KafkaPartition{{Retention: number(60)}} }, "All is well")
	f("Kafka has deleted it, as a node and the watcher say", func(s *State, one *Stream) {
		fails("read", CauseOffset, time.Minute)(s, one)
		s.Kafka[0].Partitions[0].Gone = 40
	}, "Kafka has deleted records", "bad offset offset-out-of-range")
	f("Kafka has deleted it, and no node lives to say so", func(s *State, _ *Stream) {
		s.Streams, s.Programs, s.Peers = nil, nil, nil
		s.Kafka[0].Members, s.Kafka[0].Records = 0, 5000
		s.Kafka[0].Partitions[0].Gone, s.Kafka[0].Partitions[0].Lag, s.Kafka[0].Partitions[0].Retention = 40, 100, number(0)
	}, "Kafka has deleted 40 records that were not stored", "bad offset offset-out-of-range", "bad no-node bad-deploy")
	f("ClickHouse is away from the watcher", func(s *State, _ *Stream) {
		s.ClickHouse[0] = ClickHouse{Name: "ch:9000", Since: ago(time.Minute), Error: "refused"}
	}, "ClickHouse does not answer the watcher", "bad clickhouse lag-grows-cpu-low")
	f("a replica is read-only", func(s *State, _ *Stream) { s.ClickHouse[0].ReadOnly = 1 }, "1 replica is read-only", "bad readonly clickhouse-readonly")
	f("the disk fills", func(s *State, _ *Stream) { s.ClickHouse[0].Disks[0].Free = 15 }, "the disk default of ClickHouse has 15 B left", "warn disk disk-full")
	f("the disk is nearly full", func(s *State, _ *Stream) { s.ClickHouse[0].Disks[0].Free = 5 }, "the disk default of ClickHouse has 5 B left, 5 %", "bad disk disk-full")

	f("a node is away", func(s *State, _ *Stream) { s.Peers[0].Since, s.Peers[0].Error = ago(time.Minute), "refused" }, "1 program does not answer of 1: 10.0.0.7:9464, since 1 min 00 s", "warn away bad-deploy")
	f("a compactor is away", func(s *State, _ *Stream) {
		s.Peers[0].Since, s.Peers[0].Error, s.Peers[0].Kind = ago(time.Minute), "refused", "compactor"
	}, "1 program does not answer of 1", "warn away cold-day-late")
	f("a node is drained", func(s *State, _ *Stream) { s.Programs[0].Draining, s.Programs[0].Problems = true, []string{"drained"} }, "All is well", "note draining")
	f("a node is not ready", func(s *State, _ *Stream) { s.Programs[0].Problems = []string{"no partition is assigned"} }, "not ready: no partition is assigned", "warn unready bad-deploy")
	f("too much memory", func(s *State, _ *Stream) { s.Programs[0].Memory.Used = 11 }, "it has 11 B of memory", "warn memory node-memory")
	f("a bad version", func(s *State, one *Stream) {
		s.Programs[1].Version, s.Programs[1].Started, s.Programs[1].Problems = "v2", ago(time.Minute), []string{"no partition is assigned"}
	}, "nodes have 2 versions, and things are worse since v2", "bad deploy bad-deploy", "warn unready bad-deploy")
	f("a good version", func(s *State, one *Stream) { s.Programs[1].Version, s.Programs[1].Started = "v2", ago(time.Minute) }, "All is well")

	f("a day is damaged", func(s *State, _ *Stream) {
		s.Tables[0].Days[0] = Day{Day: "2026-10-01", Damaged: true, Error: "its bytes are others"}
	}, "the day 2026-10-01 is not what its manifest says", "bad day-damaged s3-refuses")
	f("a day failed", func(s *State, _ *Stream) {
		s.Tables[0].Days[0] = Day{Day: "2026-10-01", NextAction: "export", Error: "403"}
	}, "the day 2026-10-01 could not be moved: export failed", "warn day-failed s3-refuses")
	f("passes fail", func(s *State, _ *Stream) {
		s.Tables[0].Failing = &Failing{Since: ago(time.Hour), Times: 6, Error: "403"}
	}, "no day is moved since 1 h 00 min", "warn pass-failed s3-refuses")
	f("they do not reach a ClickHouse that is away", func(s *State, one *Stream) {
		fails("insert", CauseAway, time.Minute)(s, one)
		s.Tables[0].Failing = &Failing{Since: ago(time.Minute), Times: 1, Cause: CauseAway, Error: "refused"}
	}, "ClickHouse does not answer", "bad clickhouse lag-grows-cpu-low")
	f("in the middle of a day; another is damaged", func(s *State, one *Stream) {
		fails("insert", CauseAway, time.Minute)(s, one)
		s.Tables[0].Failing = &Failing{Since: ago(time.Minute), Times: 1, Cause: CauseAway, Error: "refused"}
		s.Tables[0].Days[0].Error = "refused"
		s.Tables[0].Days = append(s.Tables[0].Days, Day{Day: "2026-10-02", Damaged: true, Error: "other bytes"})
	}, "ClickHouse does not answer", "bad clickhouse lag-grows-cpu-low", "bad day-damaged s3-refuses")
	f("they are refused while it is away", func(s *State, one *Stream) {
		fails("insert", CauseAway, time.Minute)(s, one)
		s.Tables[0].Failing = &Failing{Since: ago(time.Minute), Times: 1, Cause: CauseOther, Error: "403 Forbidden"}
	}, "ClickHouse does not answer", "bad clickhouse lag-grows-cpu-low", "warn pass-failed s3-refuses")
	f("so the compactor is not ready", func(s *State, _ *Stream) {
		s.Tables[0].Failing = &Failing{Since: ago(time.Hour), Times: 6, Error: "403"}
		s.Programs = append(s.Programs, Program{Name: "c:9465", Kind: "compactor", Problems: []string{"passes have been failing"}})
	}, "no day is moved since 1 h 00 min", "warn pass-failed s3-refuses")
	f("they fail for ClickHouse's disk", func(s *State, _ *Stream) {
		s.Tables[0].Failing = &Failing{Since: ago(time.Hour), Times: 6, Cause: CauseDisk, Error: "full"}
	}, "no day is moved", "warn pass-failed disk-full")
	f("a day should be cold", func(s *State, _ *Stream) { s.Days[0].Seconds = 3e6 }, "the day 2026-10-24 should be cold since 2 d 7 h", "warn untiered cold-day-late")

	f("several at once: the cause comes first", func(s *State, one *Stream) {
		fails("insert", CauseAway, time.Minute)(s, one)
		s.Canary[0].P99, s.Canary[0].Waiting = nil, 30
		s.Programs[0].Problems = []string{"insert has been failing"}
		s.Peers[0].Since, s.Peers[0].Error = ago(time.Minute), "refused"
		one.Rejects.High = true
		one.Rejects.Reasons = []RejectReason{{"type", 100}}
	}, "ClickHouse does not answer", "bad clickhouse lag-grows-cpu-low", "bad canary canary-late", "warn rejects dlq-fills", "warn away bad-deploy")
	f("of several streams the headline names the one", func(s *State, one *Stream) {
		other := *one
		other.Name = "second"
		fails("insert", CauseAway, time.Minute)(s, &other)
		s.Streams = append(s.Streams, other)
	}, "second: ClickHouse does not answer", "bad clickhouse lag-grows-cpu-low")
}

// TestNobodyReads: whoever finds that no node lives is told by when one has to.
func TestNobodyReads(t *testing.T) {
	f := func(want string, all ...KafkaPartition) {
		t.Helper()
		found := Diagnose(State{At: noon, Kafka: []Kafka{{Stream: "fleet", Up: true, Records: 5000, Partitions: all}}})
		if len(found) != 1 || found[0].ID != "no-node" || found[0].Why != want {
			t.Errorf("found %+v, want it to be for %q", found, want)
		}
	}
	f("Kafka has no member of the group, and keeps what waits for 2 d 3 h more", KafkaPartition{Lag: 10, Retention: number(51 * 3600)}, KafkaPartition{ID: 1})
	f("Kafka has no member of the group", KafkaPartition{Lag: 10})
}

func TestWords(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for s, want := range map[float64]string{0: "0.0 s", 0.61: "0.6 s", 9.94: "9.9 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1 min 00 s", 252: "4 min 12 s", 3599.7: "1 h 00 min", 7800: "2 h 10 min", 86400: "1 d 0 h", 273600: "3 d 4 h"} {
		f(Seconds(s), want)
	}
	for n, want := range map[float64]string{0: "0", 0.4: "0.4", 7: "7", 12.3: "12", 999: "999", 999.6: "1,000", 1234: "1,234", 9994: "9,994", 12_345: "12.3 k", 123_456: "123 k", 1_234_567: "1.23 M", 5.52e9: "5.52 G"} {
		f(Count(n), want)
	}
	for n, want := range map[float64]string{0: "0 B", 999: "999 B", 1024: "1.02 kB", 412e6: "412 MB", 1.31e12: "1.31 TB"} {
		f(Bytes(n), want)
	}
}
