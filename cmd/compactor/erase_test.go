package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"penstock/tiering"
)

func TestShowErasureGolden(t *testing.T) {
	at := time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)
	e := tiering.Erasure{
		Devices: []string{"sensor-17"}, GoneBy: at.Add(tiering.GCAfter), Rollups: []string{"telemetry_1h_site"},
		Days: []tiering.ErasedDay{
			{Day: "2026-10-01", Hot: 1, Cold: 86_400, Files: 40, Matching: 2, Rewritten: 1},
			{Day: "2026-10-22", Sealed: 86_400, Cold: 86_399, Files: 38, Matching: 1, Rewritten: 1, DroppedAt: &at},
			{Day: "2026-11-23", Hot: 40_000},
		},
	}
	var out bytes.Buffer
	show := func(e tiering.Erasure) {
		t.Helper()
		if err := showErasure(&out, e); err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n")
	}
	show(e)
	if err := json.NewEncoder(&out).Encode(e); err != nil {
		t.Fatal(err)
	}
	out.WriteString("\n")
	e.DryRun, e.Rollups = true, nil
	e.Days[0].Cold, e.Days[0].Rewritten, e.Days[1].Cold, e.Days[1].Rewritten = 0, 0, 0, 0
	show(e)
	show(tiering.Erasure{GoneBy: at})
	golden(t, "erase.txt", out.Bytes())
}
