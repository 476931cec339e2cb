package sizing

import (
	"go/parser"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/schema"
)

func mustPlan(t testing.TB, in Input) *Plan {
	t.Helper()
	p, err := New(in, DefaultFigures())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Numbers that were worked out by hand for the default load.
func TestByHand(t *testing.T) {
	p := mustPlan(t, DefaultInput())
	f := func(name string, want float64) {
		t.Helper()
		if got := p.Value(name); math.Abs(got-want) > 0.002*want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	f("peak", 1.5e6)
	f("events_day", 86.4e9)
	f("backlog", 900e6)                          // 1.5 million for 600 s
	f("recovery", 2e6)                           // and 900 million in 1,800 s: 0.5 million/s
	f("held", 0.735)                             // 150,000 x 9.8 us = 1.47 of 2 cores
	f("efficiency", 0.77)                        // 220,000 x 7 us = 1.54 of 2
	f("lane_cores", 0.05077)                     // 2.2 us / (50 - 6.667 us) = 0.05077
	f("node_us", 1.2463)                         // (1.5 - 0.05077 / 0.15) = 1.1615, x 500 / 466
	f("insert_cpu", 0.07222)                     // 6.5 us / (1e-4 - 1e-5)
	f("merged_more", 2.538)                      // 161e9 / 54.18 = 2.97e9 rows, 1,486 times 2 million, 3.172 tenfolds
	f("engine_us", 4.632)                        // (2.4 - 0.7222 + 2.538 x 1.04) x 1.073 = 4.3168 x 1.073
	f("partitions", 96)                          // 1.5 million / 18,750 = 80
	f("kafka_in", 220.5e6)                       // 1.5 million x 147 bytes
	f("kafka_disk", 381e12)                      // 86.4e9 x 7 x 147 x 3 = 266.7e12, / 0.7
	f("brokers", 24)                             // 381 / 16 = 23.8
	f("node_planned", 1.0826e6)                  // (1.4 - 0.0508) / 1.2463 us
	f("node_most", 1.1949e6)                     // (1.54 - 0.0508) / 1.2463 us
	f("nodes_peak", 2)                           // 1.386
	f("nodes_lost", 3)                           // 1.255, and one
	f("nodes_recovery", 2)                       // 1.674
	f("nodes", 3)                                // divides 96
	f("nodes_seen", 12)                          // 9.09
	f("blocks_lane", 11.547e6)                   // 2 x (1e6 + 1.5e6 x 3,600 / 512) = 23.09e6, over two lanes
	f("hot_disk", 214e12)                        // 86.4e9 x 32 x 54.18 = 149.8e12, / 0.7
	f("shards_disk", 9)                          // 214 / 24 = 8.92
	f("shards_peak", 3)                          // 6.948 cores / (5.6 x 0.7 - 15 x 0.0722) = 6.948 / 2.837 = 2.45
	f("shards_recovery", 4)                      // 9.264 cores / (5.6 x 0.77 - 20 x 0.0722) = 9.264 / 2.868 = 3.23
	f("shards", 12)                              // 9 does not divide 96
	f("servers", 24)                             //
	f("inserts", 15)                             // 3 lanes, 5 a second
	f("insert_rows", 8333)                       // 1.5e6 / 12 / 15
	f("engine_most", 3.891e6)                    // 4.312 / (0.386 us + 0.7222 us) = 3.891 million
	f("nodes_max", 4)                            // 3.256
	f("move_cores", 3.251)                       // 92.7e9 rows of the measured size / 660,000 / 43,200
	f("cold_day", 3.004e12)                      // 86.4e9 x 32.4 x 1.073
	f("objects_day", 7472)                       // 7,460 and 12
	f("zone_day", 58.45e12)                      // 86.4e9 x (147 x 3.333 + 198.5 x 0.667 + 54.18) = 86.4e9 x 676.5
	f("cost_broker_disks", 30481)                // 381,013 GB x 0.08
	f("cost_servers", 8410)                      // 730 x 24 x 8 x 0.06
	f("cost_objects", 25215)                     // 1,096,318 GB x 0.023
	f("cost_zones", 35537)                       // 58,450 GB x 30.4 x 0.02
	f("cost", 142_662)                           // their sum
	f("cost_billion", 142_662/(30.4*86.4)*1.000) // of 2,627 billion
}

// What is printed in the place of names is what was computed.
func TestFilledFormulasComeToTheirValues(t *testing.T) {
	comma := regexp.MustCompile(`(\d),(\d\d\d)`)
	for _, g := range mustPlan(t, DefaultInput()).Groups {
		for _, q := range g.Quantities {
			text := q.Filled
			for comma.MatchString(text) {
				text = comma.ReplaceAllString(text, "$1$2")
			}
			node, err := parser.ParseExpr(text)
			if err != nil {
				t.Fatal(q.Name, err)
			}
			got, err := evaluate(node, nil)
			if err != nil || math.Abs(got-q.Value) > 1e-4*q.Value {
				t.Errorf("%s is %v; %s is %v (%v)", q.Name, q.Value, q.Filled, got, err)
			}
		}
	}
}

// Nothing gets less by more events, longer retention or a longer outage.
func TestMoreIsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		less := DefaultInput()
		less.Rate = rapid.Float64Range(1000, 400_000).Draw(t, "rate")
		less.Peak = rapid.Float64Range(1, 2).Draw(t, "peak")
		less.HotDays = rapid.Float64Range(1, 60).Draw(t, "hot")
		less.Encoding = rapid.SampledFrom([]schema.Encoding{schema.JSON, schema.Protobuf}).Draw(t, "encoding")
		more := less
		more.Rate *= rapid.Float64Range(1, 3).Draw(t, "times")
		more.HotDays *= rapid.Float64Range(1, 1.5).Draw(t, "longer")
		more.KafkaDays *= rapid.Float64Range(1, 3).Draw(t, "kept")
		more.Outage = time.Duration(float64(more.Outage) * rapid.Float64Range(1, 3).Draw(t, "away"))
		figures := DefaultFigures()
		a, err := New(less, figures)
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(more, figures)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"recovery", "partitions", "kafka_disk", "brokers", "nodes", "shards", "hot_disk", "move_cores", "cold_all", "zone_day", "cost"} {
			if a.Value(name) > b.Value(name) {
				t.Errorf("%s goes from %v down to %v", name, a.Value(name), b.Value(name))
			}
		}
	})
}

func TestImpossible(t *testing.T) {
	f := func(change func(*Input), want string) {
		t.Helper()
		in := DefaultInput()
		change(&in)
		if _, err := New(in, DefaultFigures()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	f(func(in *Input) { in.ServerCores, in.Queries = 1, 0.9 }, "inserts alone take all of a server's cores")
	f(func(in *Input) { in.BatchAge = 10 * time.Millisecond }, "raise --batch-age")
	f(func(in *Input) { in.NodeCores, in.Headroom = 1, 0.05 }, "a node's lanes take all its cores")
	f(func(in *Input) { in.HotDays = 1000 }, "more shards are wanted than there are partitions")
	f(func(in *Input) { in.Rate = 0 }, "rate is 0; want 1")
	f(func(in *Input) { in.Peak = 2.5 }, "peak is 2.5")
	f(func(in *Input) { in.Encoding = schema.Avro }, `encoding is "avro"`)
	f(func(in *Input) { in.Outage = 13 * time.Hour }, "outage is 13h")
	f(func(in *Input) { in.Drain = 0 }, "drain is 0s")
	f(func(in *Input) { in.MoveTime = 25 * time.Hour }, "move-time is 25h")
	f(func(in *Input) { in.Rate, in.Zones = -1, 0 }, "zones is 0")
}

func TestWarnings(t *testing.T) {
	f := func(change func(*Input), want string, is bool) {
		t.Helper()
		in := DefaultInput()
		change(&in)
		text := strings.Join(mustPlan(t, in).Warnings, "\n")
		if strings.Contains(text, want) != is {
			t.Errorf("%q among the warnings is %v, want %v:\n%s", want, !is, is, text)
		}
	}
	none := func(*Input) {}
	small := func(in *Input) {
		in.Rate, in.KafkaReplicas, in.ClickHouseReplicas, in.ServerCores, in.Queries = 20_000, 1, 1, 2, 0
	}
	f(none, "Nothing was measured on a cluster", true)
	f(none, "ClickHouse server has 8 cores", true)
	f(small, "ClickHouse server has", false)
	f(none, "A node has", false)
	f(func(in *Input) { in.NodeCores = 4 }, "A node has 4 cores; it was measured with 2", true)
	f(none, "A node is to store 666,667 a second", true)
	f(small, "A node is to store", false)
	f(none, "were not measured", false)
	f(func(in *Input) { in.Size = 2000 }, "Events of 2,000 bytes were not measured", true)
	f(func(in *Input) { in.Encoding = schema.Protobuf }, "was measured with JSON", true)
	f(none, "15 inserts a second; the most that was measured is 10", true)
	f(func(in *Input) { in.BatchAge = time.Second }, "inserts a second", false)
	f(func(in *Input) { in.Rate = 5000 }, "An insert has 750 rows; 4,000 to 100,000 were measured", true)
	f(none, "An insert has", false)
	f(func(in *Input) { in.Headroom = 0.9 }, "nothing was held for long above 0.735", true)
	f(func(in *Input) { in.Network = 30e6 }, "its network has 30 MB/s", true)
	f(func(in *Input) { in.KafkaDays, in.Outage, in.Drain = 0.5, 7*time.Hour, 7*time.Hour }, "more than half of what Kafka keeps", true)
	f(func(in *Input) { in.Rate, in.NodeCores, in.ServerCores, in.BatchAge = 2e6, 1, 64, 30*time.Millisecond }, "exactly once is at risk", true)
	f(none, "exactly once is at risk", false)
	f(func(in *Input) { in.MoveTime = 10 * time.Minute }, "raise --move-time", true)
	f(none, "raise --move-time", false)
}
