package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"penstock/ops/local/ingest"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files; look at the difference before committing it")

func TestSpread(t *testing.T) {
	f := func(values []float64, want *Spread) {
		t.Helper()
		if got := spread(values); !reflect.DeepEqual(got, want) {
			t.Errorf("%v is %v, want %v", values, got, want)
		}
	}
	f(nil, nil)
	f([]float64{7}, &Spread{7, 7, 7})
	f([]float64{3, 1, 2.0004}, &Spread{2, 1, 3})
	f([]float64{4, 1, 3, 2}, &Spread{2, 1, 4})
}

func TestParseCases(t *testing.T) {
	if got, err := ParseCases(nil); err != nil || !reflect.DeepEqual(got, DefaultCases()) {
		t.Errorf("no names are %v (%v)", got, err)
	}
	got, err := ParseCases([]string{"protobuf-null-zstd", "json-clickhouse-none"})
	if want := []Case{{Protobuf, Null, ZSTD}, {JSON, ClickHouse, Uncompressed}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
	for _, name := range []string{"json", "json-clickhouse", "avro-null-none", "json-kafka-none", "json-null-gzip", "json-null-none-1"} {
		if _, err := ParseCases([]string{name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCompare(t *testing.T) {
	topic := map[int32]span{0: {0, 10}, 1: {5, 8}}
	right := func() map[int32]counts {
		return map[int32]counts{
			0: {Rows: 10, Distinct: 10, Offsets: 45, First: 0, Last: 9},
			1: {Rows: 3, Distinct: 3, Offsets: 18, First: 5, Last: 7},
		}
	}
	f := func(change func(map[int32]counts), want ...string) {
		t.Helper()
		stored := right()
		change(stored)
		got := compare(stored, topic)
		if len(got) != len(want) {
			t.Errorf("got %q, want %q", got, want)
			return
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	f(func(map[int32]counts) {})
	f(func(s map[int32]counts) { delete(s, 1) }, "partition 1: stored are {Rows:0")
	f(func(s map[int32]counts) { s[2] = counts{Rows: 1} }, "partition 2: stored are {Rows:1")
	// One row twice and another not at all.
	f(func(s map[int32]counts) { s[0] = counts{Rows: 10, Distinct: 9, Offsets: 46, First: 0, Last: 9} }, "partition 0")
	f(func(s map[int32]counts) { s[1] = counts{Rows: 3, Distinct: 3, Offsets: 18, First: 4, Last: 8} }, "partition 1")
}

// measured is a run that is right.
func measured(scale float64) figures {
	return figures{
		Events: 1_000_000, Wall: 4 * scale, User: 1.5 * scale, System: 0.5 * scale, Engine: 2 * scale, Merged: 1_500_000, Merges: 1, Kafka: 0.5, Others: 0.25,
		Peak: uint64(100*scale) << 20, Sent: 200_000_000, Collected: 0.1, Busy: 2, Mallocs: 20_000, Inserts: 4, Parts: 2, Disk: 65_000_000,
	}
}

// TestResult pins the last line of the output.
func TestResult(t *testing.T) {
	var r Result
	r.Kafka, r.Events, r.Runs = "apache-4.3.1", 1_000_000, 3
	r.add(CaseResult{Case: Case{JSON, ClickHouse, Uncompressed}, runs: []figures{measured(2), measured(1), measured(4)}})
	r.add(CaseResult{Case: Case{JSON, Null, Uncompressed}, runs: []figures{measured(1)}})
	wrong := measured(1)
	wrong.Wrong = []string{"partition 3 is short"}
	r.add(CaseResult{Case: Case{Protobuf, ClickHouse, Uncompressed}, runs: []figures{measured(1), wrong}})
	if err := r.Check(); err == nil || !strings.Contains(err.Error(), "protobuf-clickhouse-none: partition 3 is short") {
		t.Errorf("wrong counts are %v", err)
	}
	if r.ProtobufEventsPerCPUSecond != nil || r.WrongCounts != 1 {
		t.Errorf("a void rate is %v, %d runs are wrong", r.ProtobufEventsPerCPUSecond, r.WrongCounts)
	}
	var got bytes.Buffer
	if err := r.WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got.Write(append(text, '\n'))
	path := filepath.Join("testdata", "result.golden")
	if *rewrite {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the result is not what %s says:\n%s\nrun with -rewrite and look at the difference", path, &got)
	}
}

func TestFromMetrics(t *testing.T) {
	page := `go_memstats_mallocs_total 1000
go_cpu_classes_gc_total_cpu_seconds_total 0.5
go_cpu_classes_total_cpu_seconds_total 10
go_cpu_classes_idle_cpu_seconds_total 6
penstock_ingest_inserts_total 4
penstock_ingest_rejected_records_total{reason="a"} 0
penstock_ingest_duplicate_records_total 0
`
	var f figures
	if err := f.fromMetrics(ingest.Metrics(page)); err != nil || f.Mallocs != 1000 || f.Collected != 0.5 || f.Busy != 4 || f.Inserts != 4 || f.Wrong != nil {
		t.Errorf("got %+v (%v)", f, err)
	}
	if share := f.collectorShare(); share != 0.125 {
		t.Errorf("the collector's share is %v", share)
	}
	if share := (figures{}).collectorShare(); share != 0 {
		t.Errorf("without a collection its share is %v", share)
	}
	// Records that were not stored void the run, whatever the counts say.
	f = figures{}
	if err := f.fromMetrics(ingest.Metrics(page + `penstock_ingest_rejected_records_total{reason="b"} 3`)); err != nil || len(f.Wrong) != 1 || f.rate(1) != 0 {
		t.Errorf("with rejects: %+v (%v)", f, err)
	}
	if err := f.fromMetrics(ingest.Metrics("")); err == nil {
		t.Error("a node without metrics has figures")
	}
}
