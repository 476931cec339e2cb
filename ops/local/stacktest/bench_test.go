package stacktest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"penstock/ops/local/bench"
	"penstock/ops/local/kafka"
)

// TestBench is "local bench" in small, against both engines: the counts are
// right, and there is a figure for everything.
func TestBench(t *testing.T) {
	cases, err := bench.ParseCases([]string{"json-null-none", "json-clickhouse-none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PENSTOCK_INGEST_BATCH__BEHIND", "100ms") // a backlog's last batch waits so long for more
	var progress bytes.Buffer
	cfg := bench.Config{
		Stack: config(t, kafka.KFake), Bin: products(t),
		Cases: cases, Runs: 1, Events: 20_000, Devices: 500,
		Profiles: filepath.Join(t.TempDir(), "profiles"), Progress: &progress,
	}
	result, err := bench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	t.Logf("\n%s", &progress)
	if result.WrongCounts != 0 || len(result.Cases) != 2 {
		t.Errorf("%d cases, %d with wrong counts", len(result.Cases), result.WrongCounts)
	}
	for name, figure := range map[string]*float64{
		"events/CPU-s": result.JSONEventsPerCPUSecond, "with engine": result.JSONEventsPerCPUSecondWithEngine, "null": result.JSONEventsPerCPUSecondNull,
		"engine": result.EngineRowsPerCPUSecond, "RSS": result.PeakRSS,
	} {
		if figure == nil || *figure <= 0 {
			t.Errorf("%s: there is no figure", name)
		}
	}
	for _, c := range result.Cases {
		if sent := c.SentBytesPerEvent.Median; sent < 20 || sent > 1000 {
			t.Errorf("%v: %.0f bytes an event were sent", c.Case, sent)
		}
		if rss := c.PeakRSS.Median; rss < 20 || rss > 2000 {
			t.Errorf("%v: %.0f MiB", c.Case, rss)
		}
		if profile, err := os.ReadFile(filepath.Join(cfg.Profiles, c.String()+".pprof")); err != nil || len(profile) < 100 {
			t.Errorf("%v: a profile of %d bytes (%v)", c.Case, len(profile), err)
		}
	}
}
