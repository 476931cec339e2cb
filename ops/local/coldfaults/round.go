package coldfaults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/ops/local/child"
	"penstock/ops/local/s3/faultproxy"
	"penstock/schema"
)

// round is a round while it runs.
type round struct {
	Round
	*harness
	// dir holds the round's configs and logs.
	dir    string
	table  *table
	ledger *ledger
	today  schema.Day
	// proxy is between S3 and who uses it; nil but in rounds of faults of S3.
	proxy *faultproxy.Proxy
	// a is the compactor that is broken, b the one that runs all the time.
	a, b *program
	out  *outcome
}

// database is also the folder of S3.
func (r Round) database() string { return strings.ReplaceAll(r.Name(), "-", "_") }

// coldest is the age of the oldest day, in days. All are beyond the policy's one
// hot day, also if midnight passes meanwhile.
const coldest = 30

// coldDay is the nth cold day.
func (r *round) coldDay(n int) schema.Day { return r.today - coldest + schema.Day(n) }

// play runs one round and returns what came of it, whatever that is.
func (h *harness) play(ctx context.Context, plan Round) *outcome {
	began := time.Now()
	r := &round{Round: plan, harness: h, dir: filepath.Join(h.stack.Addresses().State, plan.Name()), ledger: newLedger(),
		today: schema.DayOf(began.UnixMilli()), out: &outcome{Round: plan, fired: map[string]int{}}}
	err := r.run(ctx)
	r.out.Err = errors.Join(err, r.end(ctx))
	r.out.Stored, r.out.Resent = r.ledger.totals()
	r.out.Took = time.Since(began)
	return r.out
}

func (r *round) run(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	looking, unlook := context.WithCancel(ctx)
	writing, unwrite := context.WithCancel(ctx)
	var others sync.WaitGroup
	var wrote error
	others.Go(func() { r.watch(looking) })
	var writer sync.WaitGroup
	writer.Go(func() { wrote = r.write(writing) })
	defer others.Wait()
	defer unlook()
	stop := func() error {
		unwrite()
		writer.Wait()
		return wrote
	}
	if err := r.b.start(); err != nil {
		return errors.Join(err, stop())
	}
	fired := playbook[r.Scenario](r, ctx)
	if err := errors.Join(fired, stop(), r.a.kill()); err != nil {
		return err
	}
	if n := r.out.faults(); n < len(r.Points) {
		r.out.found("%d faults were asked for and %d happened", len(r.Points), n)
	}
	return r.prove(ctx)
}

// prepare creates the tables, the cold days, and the compactors' configs.
func (r *round) prepare(ctx context.Context) (err error) {
	a := r.stack.Addresses()
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if r.table, err = openTable(ctx, a.ClickHouse, r.database()); err != nil {
		return err
	}
	for n := range r.cfg.Days {
		if err := r.insert(ctx, batch{day: r.coldDay(n), rows: uint64(r.cfg.Rows)}); err != nil {
			return err
		}
	}
	// The first tries every moment to get the lease, the second now and then:
	// else the first would hardly ever come to a place to die at.
	r.a, r.b = r.program("a", 100*time.Millisecond), r.program("b", 4*time.Second)
	s := settings{ClickHouse: a.ClickHouse, S3: a.S3, Database: r.database(), Endpoint: a.S3.Endpoint, Queries: a.S3.Endpoint, Config: r.cfg}
	if r.Scenario == S3 {
		if r.proxy, err = faultproxy.Listen(a.S3.Endpoint); err != nil {
			return err
		}
		s.Endpoint = r.proxy.Endpoint()
		if r.queriesFail() {
			s.Queries = s.Endpoint
		}
	}
	for _, p := range []*program{r.a, r.b} {
		err := p.write(s)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *round) program(name string, every time.Duration) *program {
	return &program{name: name, path: r.cfg.Program, every: every, config: filepath.Join(r.dir, name+".yaml"), log: filepath.Join(r.dir, name+".log")}
}

// prove waits until every cold day is on S3 and nowhere else, and finds it
// exact there.
func (r *round) prove(ctx context.Context) error {
	for deadline := time.Now().Add(r.cfg.DrainTimeout); ; {
		left, err := r.table.left(ctx, r.today-1)
		if err != nil {
			return err
		}
		if left == 0 {
			break
		}
		if err := r.b.process.Err(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			r.out.found("%v after the last fault %d rows of cold days are not on S3 alone", r.cfg.DrainTimeout, left)
			break
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	if err := r.b.process.Stop(); err != nil {
		return err
	}
	for _, args := range [][]string{{"run", "--once"}, {"verify"}} {
		if err := r.call(ctx, args...); err != nil {
			r.out.found("%v", err)
		}
	}
	if err := r.lookAt(ctx, &look{hashed: true}); err != nil {
		return err
	}
	rows, events, err := r.table.identities(ctx, r.today-1)
	if err != nil {
		return err
	}
	if rows != events {
		r.out.found("the cold days have %d rows of %d events; cold is exact", rows, events)
	}
	return r.complaints()
}

// complaints enters the errors that passes ended with, where no fault explains
// one: a compactor may die, or find another at work, but never find anything
// that does not match.
func (r *round) complaints() error {
	if scenarios[r.Scenario].excuses {
		return nil
	}
	for _, p := range []*program{r.a, r.b} {
		said, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		failed := failures(string(said))
		if r.Scenario == Zombie {
			// A version that a frozen compactor creates before the holder of the
			// lease does ends the holder's pass, and is what its next one reads.
			failed = slices.DeleteFunc(failed, func(line string) bool {
				return strings.Contains(line, "publish version") && strings.Contains(line, "exists already")
			})
		}
		if len(failed) > 0 {
			r.out.found("%d passes of %s failed, first: %s", len(failed), p.name, failed[0])
		}
	}
	return nil
}

// end stops what still runs and removes what is of no more use. It is called
// whatever has happened.
func (r *round) end(ctx context.Context) error {
	if r.table == nil {
		return nil
	}
	var errs []error
	for _, p := range []*program{r.a, r.b} {
		if p != nil && p.running() {
			errs = append(errs, p.kill())
		}
	}
	if ctx.Err() == nil && errors.Join(errs...) == nil && !r.cfg.Keep && !r.out.violated() {
		errs = append(errs, r.table.drop(ctx), os.RemoveAll(r.dir))
	}
	if r.proxy != nil {
		errs = append(errs, r.proxy.Close())
	}
	return errors.Join(append(errs, r.table.close())...)
}

// call runs a command of the compactor to its end. What it says goes to a log of
// the command's name.
func (r *round) call(ctx context.Context, args ...string) error {
	p, err := child.Start(child.Spec{Name: "compactor " + args[0], Log: filepath.Join(r.dir, args[0]+".log"),
		Args: append(append([]string{r.cfg.Program}, args...), "--config", r.b.config)})
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("ended while it waited: %w", context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}
