package enrich

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// Current tells that a source was read to its end and its snapshot is in use.
type Current struct {
	Devices int
	Bytes   int
	// Changed: it is another snapshot than before.
	Changed bool
	// Misfits are the values that were left out because they do not fit, or are of no
	// device; Misfit is the first of them.
	Misfits int
	Misfit  error
	At      time.Time
	Took    time.Duration // to read the source and to build the snapshot
}

// Events tells whoever watches how devices are known. Every function has to be
// there.
type Events struct {
	Current func(Current)
	// Failed: the source could not be read. What was known is used on.
	Failed func(error)
}

// Services are what a source may need of its surroundings.
type Services struct {
	// ClickHouse opens a connection to the server that a query is asked of.
	ClickHouse func(context.Context) (driver.Conn, error)
	// Kafka are the options by which a client finds the brokers.
	Kafka []kgo.Opt
}

// Devices is what is known of devices now. Lanes ask it for its snapshot, and Run
// replaces that.
type Devices struct {
	cfg     Config
	source  source
	events  Events
	current atomic.Pointer[Snapshot]
	nobody  *Snapshot     // knows no device
	first   chan struct{} // closed when there is a snapshot
	failed  atomic.Pointer[error]
}

// source tells of devices.
type source interface {
	// follow calls put with what is told, first when all of it is, and then again
	// with each change; and with no table where nothing changed. It calls fail with
	// what keeps it from being read, and goes on. It returns when ctx ends.
	follow(ctx context.Context, put func(*told, time.Duration), fail func(error))
	// check reads the source once.
	check(ctx context.Context) (*told, error)
}

// New returns devices of which nothing is known until Run; nil if the schema needs
// nothing of them, as one of a node's several may. It is an error if it does and
// the config names no source.
func New(cfg Config, s *schema.Schema, services Services, events Events) (*Devices, error) {
	needed := schema.NewAttributes(s).Names()
	switch {
	case len(needed) == 0:
		return nil, nil //nolint:nilnil // nothing to know
	case !cfg.Given():
		return nil, fmt.Errorf("schema %s takes %v from the device, and no source tells of devices; set enrich.file, enrich.query or enrich.topic", s.Name, needed)
	}
	d := &Devices{cfg: cfg, events: events, first: make(chan struct{}), nobody: newTable(s).snapshot()}
	switch {
	case cfg.File != "":
		d.source = &polled{every: cfg.Refresh, read: (&file{path: cfg.File, schema: s}).read}
	case cfg.Query != "":
		d.source = &polled{every: cfg.Refresh, read: (&query{sql: cfg.Query, schema: s, connect: services.ClickHouse}).read}
	default:
		d.source = &topic{name: cfg.Topic, schema: s, opts: services.Kafka}
	}
	return d, nil
}

// Check reads the source once and returns how many devices it tells of.
func (d *Devices) Check(ctx context.Context) (int, error) {
	t, err := d.source.check(ctx)
	if err != nil {
		return 0, d.wrap(err)
	}
	if t.misfits > 0 {
		return 0, d.wrap(fmt.Errorf("%d values do not fit and would be left out; the first: %w", t.misfits, t.misfit))
	}
	return t.table.index.used, nil
}

// Run keeps the snapshot up to date until ctx ends.
func (d *Devices) Run(ctx context.Context) {
	d.source.follow(ctx, d.put, func(err error) {
		err = d.wrap(err)
		d.failed.Store(&err)
		d.events.Failed(err)
	})
}

// wrap says of an error where it came from.
func (d *Devices) wrap(err error) error {
	switch {
	case d.cfg.File != "":
		return fmt.Errorf("enrich.file: %w", err)
	case d.cfg.Query != "":
		return fmt.Errorf("enrich.query: %w", err)
	}
	return fmt.Errorf("enrich.topic %s: %w", d.cfg.Topic, err)
}

// put has lanes use what was told.
func (d *Devices) put(t *told, took time.Duration) {
	began := time.Now()
	before := d.current.Load()
	if t != nil {
		d.current.Store(t.table.snapshot())
		if before == nil {
			close(d.first)
		}
	}
	now := d.current.Load()
	c := Current{Devices: now.Devices(), Bytes: now.Bytes(), Changed: t != nil, At: time.Now(), Took: took + time.Since(began)}
	if t != nil {
		c.Misfits, c.Misfit = t.misfits, t.misfit
	}
	d.events.Current(c)
}

// errNoDevices ends a node that has no list of devices.
var errNoDevices = errors.New("no list of devices yet")

// Await waits for the first snapshot, as long as the config says, and returns an
// error if there is none and the config does not go without.
func (d *Devices) Await(ctx context.Context) error {
	late := time.NewTimer(d.cfg.StartTimeout)
	defer late.Stop()
	select {
	case <-d.first:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late.C:
	}
	if d.cfg.Without == Nulls {
		return nil
	}
	err := errNoDevices
	if why := d.failed.Load(); why != nil {
		err = fmt.Errorf("%w: %w", err, *why)
	}
	return fmt.Errorf("%w, after enrich.start_timeout of %v; mend the source, or set enrich.without to %s to store events without attributes", err, d.cfg.StartTimeout, Nulls)
}

// Snapshot returns what is known now; of no device before there is any.
func (d *Devices) Snapshot() *Snapshot {
	if s := d.current.Load(); s != nil {
		return s
	}
	return d.nobody
}

// Hold is how long a batch waits for devices that are unknown.
func (d *Devices) Hold() time.Duration { return d.cfg.Hold }
