package stacktest

import (
	"bytes"
	"testing"

	"penstock/ops/local/kafka"
	"penstock/ops/local/tierbench"
)

// TestBenchTier is "local bench-tier" in small: every writer has written all
// rows, and the compactor's are the smallest.
func TestBenchTier(t *testing.T) {
	var progress bytes.Buffer
	cfg := tierbench.Config{Stack: config(t, kafka.KFake), Bin: products(t), Rows: []int{30_000, 60_000}, Devices: 100, Progress: &progress}
	result, err := tierbench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	t.Logf("\n%s", &progress)
	if len(result.Days) != 2 {
		t.Fatalf("%d days, want 2", len(result.Days))
	}
	for _, d := range result.Days {
		if d.JSONBytes < 300 || d.Export.Files != 1 || d.Verify.Files != 1 || d.Export.PeakMiB < 10 ||
			d.Export.BytesPerRow > d.JSONBytes/8 || d.Export.BytesPerRow > d.Engine.BytesPerRow {
			t.Errorf("%+v", d)
		}
	}
}
