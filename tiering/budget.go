package tiering

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// BudgetConfig is what the compactors of a process may take together.
type BudgetConfig struct {
	// DaysAtOnce is how many days are taken further at the same time, of all
	// tables. Larger: a backlog of days is gone sooner, on a machine that has the
	// cores. Smaller: less memory, less is asked of ClickHouse. The default is 1:
	// a day a day is moved by one core, at some 50 billion rows.
	DaysAtOnce int `koanf:"days_at_once"`
	// MaxReadMBPS bounds what is read of ClickHouse to write files, or to compare a
	// restored day, in millions of bytes a second as a block has them, some 200 a row.
	// Smaller: inserts and queries have more of the disks, the network and the cores.
	// The default is 0, for no bound.
	MaxReadMBPS float64 `koanf:"max_read_mbps"`
	// MaxMemory is what the process is to keep within, in bytes. Go's collector is
	// limited by it, and works more the less it has, and DaysAtOnce is held against
	// it. The default is 1 GiB.
	MaxMemory int64 `koanf:"max_memory"`
}

// DefaultBudget returns the defaults.
func DefaultBudget() BudgetConfig { return BudgetConfig{DaysAtOnce: 1, MaxMemory: 1 << 30} }

// leastMBPS has a block of 65,536 rows taken within some 15 seconds.
const leastMBPS = 1.0

// baseMemory is what a compactor has beside the days it is at.
const baseMemory = 64 << 20

// Validate returns every fault of the configuration, where a day needs this much
// memory.
func (c BudgetConfig) Validate(day int64) error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.DaysAtOnce >= 1, "days_at_once is %d; want at least 1", c.DaysAtOnce)
	check(c.MaxReadMBPS == 0 || c.MaxReadMBPS >= leastMBPS, "max_read_mbps is %v; want at least %v, at which ClickHouse waits for a block to be taken for less than its send_timeout, or 0 for no bound", c.MaxReadMBPS, leastMBPS)
	least := baseMemory + int64(max(1, c.DaysAtOnce))*day
	check(c.MaxMemory >= least, "max_memory is %d bytes; %d days at once need %d: raise it, or lower days_at_once, row_group_rows or clickhouse.block_rows", c.MaxMemory, c.DaysAtOnce, least)
	return errors.Join(errs...)
}

// Budget returns the budget to share.
func (c BudgetConfig) Budget() *Budget { return NewBudget(c.DaysAtOnce, int64(c.MaxReadMBPS*1e6)) }

// Budget bounds what the compactors of a process take together, of its memory by
// the number of days they are at, of ClickHouse by what they read of it.
type Budget struct {
	// days has room for one token a day that is being taken further.
	days chan struct{}
	// reads are bytes; a second's worth may come at once, see [pass.pay].
	reads *rate.Limiter
}

// NewBudget returns a budget for so many days at once, at least 1, and so many
// bytes a second read from ClickHouse, as a block has them; 0 for no bound.
func NewBudget(days int, bytesPerSecond int64) *Budget {
	b := &Budget{days: make(chan struct{}, days), reads: rate.NewLimiter(rate.Inf, 0)}
	if bytesPerSecond > 0 {
		b.reads = rate.NewLimiter(rate.Limit(bytesPerSecond), int(bytesPerSecond))
	}
	return b
}

// take waits for room for a day. It is called before the lease is taken, so that
// nobody waits for another table's days with the lease in hand.
func (b *Budget) take(ctx context.Context) error {
	select {
	case b.days <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// try takes room for a day if there is some.
func (b *Budget) try() bool {
	select {
	case b.days <- struct{}{}:
		return true
	default:
		return false
	}
}

func (b *Budget) giveBack() { <-b.days }

// pay waits until so many bytes may have been read. It keeps the lease
// meanwhile: a low rate makes a block last longer than that.
func (p *pass) pay(ctx context.Context, bytes int) error {
	for bytes > 0 && p.budget.reads.Limit() != rate.Inf {
		some := min(bytes, p.budget.reads.Burst())
		if err := p.budget.reads.WaitN(ctx, some); err != nil {
			return err
		}
		if err := p.lease.renew(ctx); err != nil {
			return err
		}
		bytes -= some
	}
	return nil
}

const (
	// busyEvery is the time between two looks at whether ClickHouse is busy.
	busyEvery = time.Second
	// busyLongest is how long one block waits for it: a pass that stood still for
	// as long as ClickHouse is busy would leave it with a full disk, and an answer
	// that nobody reads is given up by the server in the end.
	busyLongest = 30 * time.Second
)

// yield waits while ClickHouse is too busy with what matters more, inserts, but
// no longer than busyLongest.
func (e *exporter) yield(ctx context.Context) error {
	begun := time.Now()
	for told := false; e.busy || time.Since(e.asked) >= busyEvery; {
		why, err := e.warehouse.Busy(ctx)
		if err != nil {
			return err
		}
		e.asked, e.busy = time.Now(), why != ""
		if !e.busy || time.Since(begun) >= busyLongest {
			return nil
		}
		if !told {
			told = true
			e.events.Yielded(e.day, why)
		}
		if err := e.rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rest waits until ClickHouse is to be looked at again, and keeps the lease.
func (p *pass) rest(ctx context.Context) error {
	if err := p.wait(ctx, busyEvery); err != nil {
		return err
	}
	return p.lease.renew(ctx)
}
