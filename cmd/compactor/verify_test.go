package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"penstock/tiering"
)

// What verify says, for people and for programs.
func TestVerifiedGolden(t *testing.T) {
	well := verified{
		Days: 2, Files: tiering.Extent{Files: 40, Rows: 40_000_000, Bytes: 1_600_000_000},
		Chosen: tiering.Extent{Files: 40, Rows: 40_000_000, Bytes: 1_600_000_000},
		Read:   tiering.Extent{Files: 40, Rows: 40_000_000, Bytes: 1_600_000_000}, OneIn: 1, Turn: 20_780, Seconds: 80,
	}
	sample := well
	sample.OneIn, sample.Seconds, sample.Error = 30, 0.5, "clickhouse 127.0.0.1:9000 is away"
	sample.Chosen = tiering.Extent{Files: 2, Rows: 2_000_000, Bytes: 80_000_000}
	sample.Read = tiering.Extent{Files: 1, Rows: 1_000_000, Bytes: 40_000_000}
	sample.Faults = []*tiering.Fault{
		{Day: "2026-10-01", File: "telemetry/day=2026-10-01/gen=000001/part-00000-0a.parquet", Damage: tiering.OtherBytes, Detail: "the object has the SHA-256 0a; the manifest says 0b"},
		{Day: "2026-10-02", Damage: tiering.NotSealed, Detail: "the sealed partition has 10 rows, generation 1 was made of 9"},
	}
	var out bytes.Buffer
	for _, r := range []verified{well, sample} {
		if err := r.show(&out); err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", text)
	}
	golden(t, "verified.txt", out.Bytes())
}

// Scripts tell a damaged cold tier from one that could not be reached.
func TestStatus(t *testing.T) {
	f := func(err error, want int) {
		t.Helper()
		if got := status(err); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
	}
	fault := &tiering.Fault{Day: "2026-10-01", Damage: tiering.Missing}
	f(errors.New("away"), 1)
	f(errors.Join(nil, errors.New("away")), 1)
	f(fmt.Errorf("nothing is dropped: %w", errors.Join(errors.New("away"), fault)), 2)
	f(errors.Join(nil, fault), 2)
}
