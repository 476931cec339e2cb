package tiering

import (
	"context"
	"errors"
	"time"

	"penstock/failpoint"
	"penstock/tiering/store"
)

// Compactor takes the days of one table to the cold tier. It is used by one
// goroutine at a time; several may share a [Budget].
type Compactor struct {
	cfg       Config
	table     string
	warehouse Warehouse
	catalog   catalog
	events    Events
	budget    *Budget
	now       func() time.Time
	holder    string
}

// Dependencies is what a compactor works on.
type Dependencies struct {
	// Table is the hot table's name, which is the schema's.
	Table     string
	Warehouse Warehouse
	Objects   store.Store
	Events    Events
	// Budget bounds what the compactor takes. The default is one day at a time,
	// read as fast as it can.
	Budget *Budget
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Holder names this process in the lease, for the one that has to wait.
	Holder string
}

// New returns a compactor; it does no I/O. The configuration must be valid.
func New(cfg Config, d Dependencies) *Compactor {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Budget == nil {
		d.Budget = NewBudget(1, 0)
	}
	return &Compactor{
		cfg: cfg, table: d.Table, warehouse: d.Warehouse, events: d.Events.withDefaults(), budget: d.Budget, now: d.Now, holder: d.Holder,
		catalog: newCatalog(d.Objects, d.Table),
	}
}

// Plan returns the next step of every day. It changes nothing and needs no
// lease, so it may be out of date when it returns.
func (c *Compactor) Plan(ctx context.Context) ([]Step, error) {
	manifests, err := c.catalog.manifests(ctx)
	if err != nil {
		return nil, err
	}
	partitions, err := c.warehouse.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	return Plan(c.now(), partitions, manifests, c.cfg.Policy), nil
}

// Pass does every step that is due, oldest day first and as many days at once as
// the budget has room for, and returns what is left to wait for. It holds the
// lease meanwhile; ErrHeld if another does. A day of which something is not what
// its manifest says stays as it is, and the others go on; any other error ends the
// pass, since what is wrong with one day is wrong with all.
func (c *Compactor) Pass(ctx context.Context) (left []Step, err error) {
	if err := c.budget.take(ctx); err != nil {
		return nil, err
	}
	defer c.budget.giveBack()
	err = c.underLease(ctx, func(p *pass) error {
		partitions, err := c.warehouse.Partitions(ctx)
		if err != nil {
			return err
		}
		left, err = p.all(ctx, Plan(c.now(), partitions, p.manifests, c.cfg.Policy))
		return err
	})
	return left, err
}

// underLease takes the lease, reads the manifests, makes the view what they say,
// and calls do; then others may have the lease. ErrHeld if another has it.
func (c *Compactor) underLease(ctx context.Context, do func(*pass) error) (err error) {
	l, err := takeLease(ctx, c.catalog.objects, c.catalog.leaseKey(), c.holder, c.cfg.LeaseTTL, c.now)
	if err != nil {
		return err
	}
	c.events.LeaseTaken(l.held.Fence)
	failpoint.At("lease.taken")
	p := &pass{Compactor: c, lease: l}
	defer func() {
		if p.sealing {
			return
		}
		// Also when ctx has ended: the next compactor should not have to wait.
		err = errors.Join(err, l.release(context.WithoutCancel(ctx)))
	}()
	if err := c.belongs(ctx); err != nil {
		return err
	}
	if p.manifests, err = c.catalog.manifests(ctx); err != nil {
		return err
	}
	if err := c.warehouse.Fence(ctx, l.held.Fence); err != nil {
		return err
	}
	// The view first: a crash may have left it behind the manifests, and a day
	// must not be sealed while the view leaves it out of the sealed table.
	if err := p.catchUp(ctx); err != nil {
		return err
	}
	return do(p)
}
