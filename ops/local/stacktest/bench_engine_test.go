package stacktest

import (
	"bytes"
	"testing"

	"penstock/ops/local/enginebench"
	"penstock/ops/local/kafka"
)

// TestBenchEngine is "local bench-engine" in small: what has receipts and rollup
// takes more and is told apart, and nothing is left of the servers.
func TestBenchEngine(t *testing.T) {
	var progress bytes.Buffer
	cfg := enginebench.Config{
		Stack:  config(t, kafka.KFake),
		Cases:  []enginebench.Case{{Variant: enginebench.Product, Rows: 2000}, {Variant: enginebench.Bare, Rows: 2000}},
		Runs:   1,
		Events: 40_000, Devices: 500, Rate: 40_000,
		Progress: &progress,
	}
	result, err := enginebench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	t.Logf("\n%s", &progress)
	if len(result.Cases) != 2 {
		t.Fatalf("%d cases, want 2", len(result.Cases))
	}
	product, bare := result.Cases[0], result.Cases[1]
	if product.PartsAnInsert != 2 || bare.PartsAnInsert != 1 {
		t.Errorf("an insert makes %v parts and %v without the rollup, want 2 and 1", product.PartsAnInsert, bare.PartsAnInsert)
	}
	if product.InsertSeconds <= bare.InsertSeconds {
		t.Errorf("receipts and rollup cost nothing: %v and %v", product.Figures, bare.Figures)
	}
	for _, c := range result.Cases {
		if c.Seconds <= 0 || c.MergeSeconds <= 0 || c.PartsMost < c.PartsEnd || c.PartsEnd < 1 || c.DiskEvents < 20 || c.DiskEvents > 200 {
			t.Errorf("%v: %+v", c.Case, c.Figures)
		}
		if with := c.Variant == enginebench.Product; (c.DiskReceipts > 0) != with || (c.DiskRollup > 0) != with {
			t.Errorf("%v has %.1f bytes of receipts and %.1f of the rollup an event", c.Case, c.DiskReceipts, c.DiskRollup)
		}
	}
}
