package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/schema"
)

// grown is the shipped schema with readings of a later version.
func grown(t *testing.T, version int) *schema.Schema {
	t.Helper()
	text := strings.Replace(schema.Telemetry().Text(), "version: 1", fmt.Sprintf("version: %d", version), 1)
	for v := 2; v <= version; v++ {
		text += fmt.Sprintf("  - {id: %d, name: torque_%d, type: float32, nullable: true, since: %[2]d}\n", 100+v, v)
	}
	s, err := schema.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A schema that grows while records come loses and doubles none of them, in
// lanes with aides and batches that are in flight, and what comes after it is
// stored by it.
func TestASchemaGrowsWhileRecordsCome(t *testing.T) {
	r := newRig(t)
	r.cfg.Batch.Rows = 50
	n := r.run(Events{})
	for version := 2; version <= 6; version++ {
		for range 3 {
			r.sendEvents(40)
		}
		n.node.Use(grown(t, version))
	}
	r.awaitStored(r.sent * rigPartitions)
	r.await("rows of the newest", func() bool {
		now := time.Now()
		for p := range int32(rigPartitions) {
			r.send(p, eventAt("last", int(now.UnixNano())+int(p), now))
		}
		r.table.mu.Lock()
		defer r.table.mu.Unlock()
		return r.table.named["torque_6"] > 0
	})
	if err := n.stop(); err != nil {
		t.Error(err)
	}
	if _, doubled := r.table.counts(); doubled > 0 {
		t.Errorf("%d rows are doubled", doubled)
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	if all := r.table.named["device_id"]; r.table.named["torque_2"] > all || r.table.named["torque_6"] > r.table.named["torque_2"] {
		t.Errorf("of %d rows these name the columns: %v", all, r.table.named)
	}
}

// A batch keeps no memory of blocks of another schema.
func TestABatchIsFilledByAnotherSchema(t *testing.T) {
	b, at := newBatch(schema.Telemetry()), place{day: 1}
	b.block(at)
	b.reset()
	next := grown(t, 2)
	b.use(next)
	if got, want := len(b.block(at).Input()), len(next.Columns()); got != want {
		t.Errorf("the block has %d columns, want %d", got, want)
	}
}
