package main

import (
	"bytes"
	"testing"
	"time"

	"penstock/tiering"
)

func TestShowGarbageGolden(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC) }
	all := []tiering.Garbage{
		{Key: "telemetry/day=2026-10-01/gen=000001/part-00000-0123456789abcdef.parquet", Bytes: 200_000, Reason: tiering.Replaced, Since: at(1), Due: true},
		{Key: "telemetry/day=2026-10-01/gen=000002/part-00000-123456789abcdef0.parquet", Bytes: 4_000, Reason: tiering.Orphan, Since: at(20)},
		{Key: "telemetry/manifests/day=2026-10-01/v000001.json", Bytes: 900, Reason: tiering.Outdated, Since: at(2), Due: true},
		{Key: "telemetry/notes.txt", Bytes: 7, Reason: tiering.Foreign, Since: at(3)},
	}
	var out bytes.Buffer
	show := func(all []tiering.Garbage, remove bool) {
		t.Helper()
		if err := showGarbage(&out, all, tiering.GCAfter, remove); err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n")
	}
	show(all, false)
	all[0].Deleted = true
	show(all, true)
	show(nil, true)
	golden(t, "gc.txt", out.Bytes())
}
