package state

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"penstock/schema"
	"penstock/tiering"
)

// TestCompactor: what a pass does, and is seen of it.
func TestCompactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCompactor("compactor-0:9465", "fleet")
		e := c.TieringEvents()
		const first schema.Day = 20_700
		step := func(i schema.Day, state tiering.State, action tiering.Action) tiering.Step {
			return tiering.Step{Day: first + i, State: state, Action: action, Generation: 1, Partition: tiering.Partition{Day: first + i, SealedRows: 1000, SealedBytes: 70_000}}
		}
		export, damaged, canceled := step(1, tiering.Sealed, tiering.Export), step(2, tiering.Cut, tiering.Expire), step(3, tiering.Sealed, tiering.Export)
		plan := []tiering.Step{step(0, tiering.Cold, tiering.Nothing), export, damaged, canceled, step(4, tiering.Hot, tiering.Seal)}
		e.LeaseTaken(7)
		e.Planned(plan)
		e.Begun(damaged)
		e.Failed(damaged, fmt.Errorf("expire: %w", &tiering.Fault{Day: "2026-09-06", File: "1.parquet", Damage: tiering.OtherBytes, Detail: "its bytes\n are others"}))
		e.Begun(canceled)
		e.Failed(canceled, context.Canceled)
		e.Begun(export)
		for rows := range uint64(6) {
			e.Exporting(export.Day, rows*100, 1000)
			time.Sleep(5 * time.Second)
		}
		e.FileStored(export.Day, tiering.File{Bytes: 3000})
		e.Yielded(export.Day, "2026-11-30 has 312 active parts")
		time.Sleep(5 * time.Second)
		golden(t, "compactor.json", c.Table())

		e.Exporting(export.Day, 900, 1000)
		if d := c.Table().Days[1]; d.Doing.Waiting != "" || d.Doing.Rows != 900 {
			t.Errorf("it goes on: %+v", d.Doing)
		}
		e.Done(export, time.Minute)
		if d := c.Table().Days[1]; d.Doing != nil || d.State != "published" {
			t.Errorf("exported: %+v", d)
		}
		c.Passed(fmt.Errorf("pass: %w", errors.New("s3: 403 Forbidden")))
		c.Passed(errors.New("s3: 403 Forbidden"))
		if f := c.Table().Failing; f == nil || f.Times != 2 {
			t.Errorf("passes fail: %+v", f)
		}
		// What failed is forgotten when something else comes next: it was mended by hand.
		e.Planned([]tiering.Step{step(2, tiering.Cold, tiering.Nothing)})
		if days := c.Table().Days; len(days) != 1 || days[0].Error != "" || days[0].Damaged {
			t.Errorf("mended: %+v", days)
		}
		c.Passed(fmt.Errorf("%w: host b", tiering.ErrHeld))
		if table := c.Table(); table.Failing != nil || table.Lease.Held || table.Lease.Other == "" {
			t.Errorf("another has the lease: %+v", table)
		}
		time.Sleep(time.Minute)
		if r := c.Table().Rates; r != (TableRates{}) {
			t.Errorf("a minute later: %+v", r)
		}
	})
}
