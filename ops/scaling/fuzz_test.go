package scaling

import (
	"bytes"
	"testing"
)

// FuzzPage: what answers at a node's address is a node's page of metrics, or none.
func FuzzPage(f *testing.F) {
	f.Add([]byte("penstock_ingest_assigned_partitions{stream=\"s\"} 3\nprocess_start_time_seconds 1\ngo_sched_gomaxprocs_threads 2\npenstock_ingest_lag_records{partition=\"1\"} NaN\n"))
	f.Add([]byte("penstock_ingest_assigned_partitions 1e300\nprocess_start_time_seconds 1\ngo_sched_gomaxprocs_threads 2\npenstock_ingest_lag_seconds{partition=\"-1\"} +Inf\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := read(bytes.NewReader(text), noon)
		if err == nil && s.Partitions == nil {
			t.Fatalf("%+v", s)
		}
	})
}
