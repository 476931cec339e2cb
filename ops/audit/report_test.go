package audit

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline"
)

// -rewrite writes the golden files anew. Understand the difference first.
var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// reportOfAll has something of everything.
func reportOfAll() *Report {
	a := &tally{Partition: Partition{Partition: 10, Range: Range{0, 1000}, Stored: 900, Duplicates: 50, Rejects: 20, Absent: 10, Cold: 5, OtherTime: 3, Replayed: 1}}
	a.found(Unproven, Range{500, 508}, "not stored, and Kafka no longer has the records to say what they were")
	a.found(Missing, Range{40, 45}, "neither stored nor a duplicate nor a reject")
	a.found(Missing, Range{900, 902}, "cannot be stored (malformed), and has no dead letter")
	a.found(Doubled, Range{60, 61}, "stored more than once")
	a.found(Repeated, Range{70, 71}, "the same event as at offset 65, stored at 2 offsets; the records came 1s apart")
	a.withheld = 2
	b := &tally{Partition: Partition{Partition: 2, Range: Range{123_456_789, 123_457_000}, Stored: 211, Open: 40, Pending: 30}}
	r := &Report{Topic: "telemetry", Group: "penstock",
		From: time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC),
		Rollups: []Day{
			{Name: "telemetry_1m", Day: "2026-11-20", State: NotHere, Rows: 2, Rollup: 500_000, Periods: 1440},
			{Name: "telemetry_1m", Day: "2026-11-21", State: Repaired, Rows: 300_000, Rollup: 300_000},
			{Name: "telemetry_1m", Day: "2026-11-22", Shard: "s1", State: Differs, Rows: 300_000, Rollup: 299_000, Periods: 2, Why: "2 periods differ"},
		},
		Notes: []string{"p2: the commit's metadata is not understood"}}
	r.report([]*tally{a, b})
	return r
}

func TestReportForAPerson(t *testing.T) {
	var out bytes.Buffer
	if err := reportOfAll().Text(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", out.Bytes())
}

func TestReportForAMachine(t *testing.T) {
	var out bytes.Buffer
	if err := reportOfAll().JSON(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s\nwant\n%s", path, got, want)
	}
}

func TestVerdict(t *testing.T) {
	f := func(name string, want Verdict, p Partition, days ...State) {
		t.Helper()
		r := &Report{Partitions: []Partition{{Stored: 5}, p}}
		for _, s := range days {
			r.Rollups = append(r.Rollups, Day{State: s})
		}
		if got := r.Verdict(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	f("nothing", Proven, Partition{})
	f("explained", Proven, Partition{Stored: 1, Duplicates: 1, Rejects: 1, Absent: 1, Cold: 1, Open: 9, OtherTime: 1, Replayed: 1}, Agrees, Repaired, NotHere)
	f("missing", Violated, Partition{Missing: 1})
	f("doubled", Violated, Partition{Doubled: 1})
	f("repeated", Violated, Partition{Repeated: 1})
	f("unproven", Undecided, Partition{Unproven: 1})
	f("unproven and missing", Violated, Partition{Unproven: 1, Missing: 1})
	f("rollup", Violated, Partition{Unproven: 1}, Agrees, Differs)
	f("rollup being written", Undecided, Partition{}, Unsettled)
}

func TestAddressee(t *testing.T) {
	f := func(name string, ok bool, partition int32, offset int64, headers ...string) {
		t.Helper()
		r := &kgo.Record{}
		for i := 0; i < len(headers); i += 2 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
		}
		p, o, got := addressee(r, "telemetry")
		if got != ok || ok && (p != partition || o != offset) {
			t.Errorf("%s: got p%d@%d %v, want p%d@%d %v", name, p, o, got, partition, offset, ok)
		}
	}
	const topic, partition, offset = pipeline.HeaderTopic, pipeline.HeaderPartition, pipeline.HeaderOffset
	f("a letter", true, 3, 77, topic, "telemetry", partition, "3", offset, "77")
	f("the record's own headers are behind", true, 3, 77, topic, "telemetry", partition, "3", offset, "77", offset, "1", partition, "1", topic, "x")
	f("another topic's", false, 0, 0, topic, "other", partition, "3", offset, "77")
	f("no letter", false, 0, 0)
	f("half a letter", false, 0, 0, topic, "telemetry", partition, "3")
	f("nonsense", false, 0, 0, topic, "telemetry", partition, "3", offset, "0x77")
}

// What a look at a day can explain by inserts that came meanwhile is no
// difference, and what it cannot is one only if it is the same in the next look.
func TestRollupSuspects(t *testing.T) {
	f := func(name string, before, rollup, after uint64, suspected bool) {
		t.Helper()
		l := look{before: counts{60: before, 120: 5}, rollup: counts{60: rollup, 120: 5}, after: counts{60: after, 120: 5}}
		if got := l.suspects(); (len(got) == 1) != suspected || len(got) > 1 {
			t.Errorf("%s: suspects %v, want %v", name, got, suspected)
		}
	}
	f("equal", 10, 10, 10, false)
	f("rows came", 10, 12, 15, false)
	f("rows came after the rollup was read", 10, 10, 15, false)
	f("rows came before", 10, 15, 15, false)
	f("short", 10, 9, 10, true)
	f("short, and rows came", 10, 9, 15, true)
	f("too much", 10, 11, 10, true)
	f("no rows at all", 0, 3, 0, true)
	f("no rollup at all", 3, 0, 3, true)

	a := map[uint32][2]uint64{60: {10, 9}, 120: {5, 4}}
	if n := same(a, map[uint32][2]uint64{60: {10, 9}, 120: {6, 4}, 180: {1, 0}}); n != 1 {
		t.Errorf("%d minutes are the same, want 1", n)
	}
}
