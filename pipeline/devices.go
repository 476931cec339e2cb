package pipeline

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/pipeline/enrich"
	"penstock/schema"
)

// devices returns what is known of devices, nil if the schema takes nothing from
// them.
func (c Config) devices(s *schema.Schema, events Events) (*enrich.Devices, error) {
	return enrich.New(c.Enrich, s, enrich.Services{
		ClickHouse: func(ctx context.Context) (driver.Conn, error) {
			return c.ClickHouse.connect(ctx, c.ClickHouse.AllShards()[0], c.ClickHouse.Database)
		},
		Kafka: c.Kafka.Options("penstock-ingest"),
	}, enrich.Events{Current: events.DevicesKnown, Failed: events.DevicesAway})
}

// know calls f while devices are kept up to date, once the first list is there;
// d may be nil. What f returned comes first, and nothing is called if ctx ends.
func know(ctx context.Context, d *enrich.Devices, f func() error) error {
	if d == nil {
		return f()
	}
	following, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(following) }()
	defer func() { stop(); <-ended }()
	if err := d.Await(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop, and nothing was read
		}
		return err
	}
	return f()
}

// enricher fills what batches have of devices. It is used by one goroutine.
type enricher struct {
	devices *enrich.Devices // nil if the schema takes nothing from them
	rows    []int32         // scratch
}

// fill fills the batch, which has all its rows. Not row by row as they are decoded:
// a column at a time is cheaper, duplicates cost nothing, and what became known while
// the batch was open is known to all of it.
//
// Rows that are read again may be filled otherwise: their token does not depend on
// what is in them, so they are still stored once (docs/adr/0014).
func (e *enricher) fill(b *batch) {
	if e.devices == nil {
		return
	}
	known := e.devices.Snapshot()
	for _, at := range b.inserts() {
		e.fillBlock(b.blocks[at], known, &b.unknown)
	}
}

func (e *enricher) fillBlock(rows *schema.Block, known *enrich.Snapshot, unknown *int) {
	var missing int
	e.rows, missing = known.Fill(rows, e.rows)
	*unknown += missing
}

// askAgain is how soon a batch that is held is looked at again.
const askAgain = 100 * time.Millisecond

// hold returns how much longer the batch waits for devices that are unknown; 0 if
// it has none, or has waited. A batch of a gap waits for none: live records wait
// for it.
func (e *enricher) hold(b *batch, now time.Time) time.Duration {
	if e.devices == nil || b.isGap() {
		return 0
	}
	left := e.devices.Hold() - now.Sub(b.way.opened)
	if left <= 0 {
		return 0
	}
	known := e.devices.Snapshot()
	for _, at := range b.inserts() {
		if known.Unknown(b.blocks[at]) > 0 {
			return min(left, askAgain)
		}
	}
	return 0
}
