package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"penstock/pipeline/enrich"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// Node is one ingest process.
type Node struct {
	cfg    Config
	events Events
	// schema is that of batches that are yet to be opened.
	schema *atomic.Pointer[schema.Schema]
	// decoders is what all memberships learn.
	decoders *Decoders
	sink     func() sink                 // a connection for one goroutine
	stored   func(Shard) (stored, error) // what the shard's receipts say
	// devices is what is known of them; nil if the schema takes nothing from it.
	devices *enrich.Devices
	// rejects outlives memberships: what was rejected before the node joined again
	// counts on.
	rejects *rejectGuard
}

// New returns a node that does nothing until Run.
func New(cfg Config, s *schema.Schema, events Events) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	events = events.ensure()
	decoders, err := OpenDecoders(cfg, s, events)
	if err != nil {
		return nil, err
	}
	devices, err := cfg.devices(s, events)
	if err != nil {
		return nil, err
	}
	current := new(atomic.Pointer[schema.Schema])
	current.Store(s)
	return &Node{
		cfg: cfg, schema: current, events: events, devices: devices, decoders: decoders, rejects: newRejectGuard(cfg.Rejects, events.RejectRate),
		sink: func() sink { return newInserter(cfg.ClickHouse, s) },
		stored: func(shard Shard) (stored, error) {
			return receipts.Open(cfg.ClickHouse.Options(shard, cfg.ClickHouse.Database), s, cfg.ClickHouse.Tables())
		},
	}, nil
}

// Use has the node read by another version of its schema, of which the tables
// have the columns: one that extends the version before, or is extended by it. It
// may be called at any time. Every lane goes on with it when it opens its next
// batch; what is decoded already is stored as it was decoded, so that a
// repetition of an insert stays the same.
func (n *Node) Use(s *schema.Schema) { n.schema.Store(s) }

// rejoinAfter is how long a node waits before it joins its group again.
const rejoinAfter = 200 * time.Millisecond

// Run ingests until ctx ends, then stores and commits what is decoded and
// leaves the group, for at most the configured StopTimeout. It returns nil
// after an orderly stop, and the error that no repetition mends otherwise.
//
// A node whose ownership is in doubt leaves the group as if it had died and
// joins it as a new member: what it had in flight is settled by whoever is given
// the partitions, this node or another. So there is one way to recover, and it
// is the one that a crash takes.
//
// It begins once devices are known, where the schema takes anything from them.
func (n *Node) Run(ctx context.Context) error {
	return know(ctx, n.devices, func() error { return n.run(ctx) })
}

func (n *Node) run(ctx context.Context) error {
	for {
		err := newMember(n).run(ctx)
		if !errors.Is(err, errDoubt) || ctx.Err() != nil {
			return err
		}
		n.events.Doubted(err)
		select {
		case <-ctx.Done():
			return nil // nothing is held, and what was in flight is the next owner's to settle
		case <-time.After(rejoinAfter):
		}
	}
}
