package stacktest

import (
	"bytes"
	"testing"
	"time"

	"penstock/ops/local/kafka"
	"penstock/ops/local/stackbench"
)

// TestBenchStack is "local bench-stack" in small. What it measures depends on
// the machine; what it counts must not.
func TestBenchStack(t *testing.T) {
	cfg := stackbench.Default()
	cfg.Stack, cfg.Bin = config(t, kafka.KFake), products(t)
	cfg.Devices, cfg.WarmUp, cfg.ProgressEvery = 500, time.Second, time.Second
	cfg.Latency = stackbench.Load{Rate: 1000, Hold: 4 * time.Second}
	cfg.Throughput = stackbench.Load{Rate: 4000, Hold: 4 * time.Second}
	cfg.Backlog = stackbench.Backlog{Rate: 1000, Before: 4 * time.Second, Outage: 3 * time.Second, Timeout: time.Minute}
	cfg.Burst = stackbench.Burst{Rate: 1000, Before: 4 * time.Second, Records: 20_000, Pace: 5000, Offline: time.Hour, Timeout: time.Minute}
	cfg.ColdDay = stackbench.ColdDay{Rate: 1000, Before: 2 * time.Second, Rows: 100_000, Timeout: time.Minute}
	// Or three seconds would not be worth a gap.
	t.Setenv("PENSTOCK_INGEST_KAFKA__FRESH_AFTER", "1s")
	var progress bytes.Buffer
	cfg.Progress = &progress
	result, err := stackbench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	t.Logf("%s", progress.String())
	for phase, held := range map[stackbench.Phase]*stackbench.Held{stackbench.Latency: result.Latency, stackbench.Throughput: result.Throughput} {
		if held.Produced < uint64(held.Asked)*4 || held.Good == 0 || held.Events == 0 || held.VisibleP50 <= 0 ||
			held.CPUSeconds["ingest"] <= 0 || held.CPUSeconds["clickhouse"] <= 0 || held.CPUSeconds["fleet"] <= 0 ||
			held.PartsMax == 0 || held.PartsPerMinute <= 0 || held.BytesPerEvent <= 0 {
			t.Errorf("%s: %+v", phase, held)
		}
	}
	for phase, b := range map[stackbench.Phase]*stackbench.Drained{stackbench.CatchUp: result.Backlog, stackbench.FreshFirst: result.FreshFirst} {
		if b.Backlog < 3000 || b.CatchUpSeconds <= 0 || b.Over <= 1 || b.Good == 0 || b.OutageSeconds < 3 {
			t.Errorf("%s: %+v", phase, b)
		}
	}
	if b := result.LateBurst; b.Records != 20_000 || b.SentSeconds < 3 || b.StoredSeconds < 3 || b.LiveP50 <= 0 || b.LiveP99 < b.LiveP50 || b.Good == 0 {
		t.Errorf("%s: %+v", stackbench.LateBurst, b)
	}
	if d := result.Tiering; d.DayRows != 100_000 || d.DaySeconds < 1 || d.CompactorCPUSeconds <= 0 || d.CompactorPeakMiB <= 0 || d.LiveP50 <= 0 || d.LiveP99 < d.LiveP50 || d.Good == 0 {
		t.Errorf("%s: %+v", stackbench.TieringDay, d)
	}
}
