package ingest

import (
	"maps"
	"strings"
	"testing"
)

const page = Metrics(`# HELP penstock_lag Records.
# TYPE penstock_lag gauge
penstock_lag{partition="0",topic="a} b"} 3
penstock_lag{partition="1"} 4.5
penstock_lag_bytes 1000
penstock_rows_total 1.2e+06
penstock_bad x
`)

func TestSum(t *testing.T) {
	f := func(name string, want float64, fault string) {
		t.Helper()
		got, err := page.Sum(name)
		if got != want && err == nil || (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s is %v (%v), want %v (%q)", name, got, err, want, fault)
		}
	}
	f("penstock_lag", 7.5, "")
	f("penstock_rows_total", 1.2e6, "")
	f("penstock_rows", 0, "there is no metric penstock_rows")
	f("penstock_bad", 0, "invalid syntax")
}

func TestPartitions(t *testing.T) {
	got, err := page.Partitions("penstock_lag")
	if want := map[int32]int64{0: 3, 1: 4}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
	if got, err := page.Partitions("penstock_absent"); err != nil || len(got) > 0 {
		t.Errorf("a node without partitions has %v (%v)", got, err)
	}
	if got, err := page.Partitions("penstock_rows_total"); err == nil {
		t.Errorf("there is no partition in it, got %v", got)
	}
}
