package stacktest

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"penstock/ops/local/tsbs"
)

// TestTSBS ingests telemetry that was made by others, of two kinds, with schema
// files of their own: every event is stored once, with every value as it was.
func TestTSBS(t *testing.T) {
	var progress bytes.Buffer
	cfg := tsbs.Config{Stack: config(t, ""), Ingest: filepath.Join(products(t), "ingest"), Fleet: tsbs.DefaultFleet(), Progress: &progress}
	cfg.Fleet.Seed = time.Now().UnixNano()
	result, err := tsbs.Run(t.Context(), cfg)
	t.Logf("seed %d\n%s", cfg.Fleet.Seed, progress.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range result.Streams {
		if s.Sent < 20_000 || s.Resent < 500 || s.Values < 10*s.Sent*9/10 {
			t.Errorf("of %s too little was sent to prove anything: %+v", name, s)
		}
	}
}
