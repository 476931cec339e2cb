package coldfaults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// playbook is how each scenario fires a round's faults.
var playbook = map[Scenario]func(*round, context.Context) error{
	Failpoints: (*round).doFailpoints, Zombie: (*round).doZombies, S3: (*round).doS3, ClickHouseKill: (*round).doClickHouseKills,
}

const (
	// patience is how long a compactor may run with a failpoint armed before it
	// is killed for another try.
	patience = 15 * time.Second
	// tries bounds how often one fault is tried.
	tries = 4
)

// doFailpoints has compactor a die at one place after the other.
func (r *round) doFailpoints(ctx context.Context) error {
	choices := r.random(playing)
	for _, point := range r.Points {
		// Any of the first few times it comes there.
		there, err := r.drive(ctx, point, fmt.Sprintf("%s:%d", point, 1+choices.IntN(2)))
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		r.out.fire(point)
		// Another may come at once, or when the lease has run out.
		if err := sleep(ctx, between(choices, 0, r.cfg.LeaseTTL)); err != nil {
			return err
		}
	}
	return nil
}

// drive runs compactor a until it comes to a failpoint. It is false, and a
// finding, if it does not however often it is tried.
func (r *round) drive(ctx context.Context, point, armed string) (bool, error) {
	for range tries {
		if err := r.a.kill(); err != nil {
			return false, err
		}
		if err := r.a.start("PENSTOCK_FAILPOINT=" + armed); err != nil {
			return false, err
		}
		for until := time.Now().Add(patience); time.Now().Before(until); {
			there, err := r.a.reached(point)
			if there || err != nil {
				return there, err
			}
			if err := r.a.process.Err(); err != nil {
				return false, err
			}
			if err := sleep(ctx, 10*time.Millisecond); err != nil {
				return false, err
			}
		}
	}
	r.out.found("no compactor came to %s though it was tried %d times for %v", point, tries, patience)
	return false, nil
}

// doZombies freezes compactor a right before it changes something, until the
// other has its lease and has gone on for a while, and then lets it go on.
func (r *round) doZombies(ctx context.Context) error {
	choices := r.random(playing)
	for _, point := range r.Points {
		there, err := r.drive(ctx, point, point+"=stop")
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := r.takenOver(ctx); err != nil {
			return err
		}
		if err := sleep(ctx, between(choices, 0, 4*r.cfg.Grace)); err != nil {
			return err
		}
		r.out.fire("frozen at " + point)
		if err := errors.Join(r.a.resume(), sleep(ctx, between(choices, r.cfg.Settle, 2*r.cfg.Grace))); err != nil {
			return err
		}
	}
	return nil
}

// takenOver waits until compactor b has taken the lease.
func (r *round) takenOver(ctx context.Context) error {
	before, err := r.b.leases()
	if err != nil {
		return err
	}
	for until := time.Now().Add(r.cfg.LeaseTTL + patience); time.Now().Before(until); {
		now, err := r.b.leases()
		if now > before || err != nil {
			return err
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("nobody took the lease of a frozen compactor within %v and its ttl", patience)
}

// doClickHouseKills kills ClickHouse around the moment in which compactor a has
// it move or drop a day.
func (r *round) doClickHouseKills(ctx context.Context) error {
	choices := r.random(playing)
	for _, point := range r.Points {
		there, err := r.drive(ctx, point, point+"=stop")
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := errors.Join(r.a.resume(), sleep(ctx, between(choices, 0, 25*time.Millisecond))); err != nil {
			return err
		}
		if err := errors.Join(r.stack.ClickHouse.Kill(), r.stack.ClickHouse.Start(ctx)); err != nil {
			return err
		}
		r.out.fire("killed at " + point)
		if err := sleep(ctx, between(choices, 0, r.cfg.LeaseTTL)); err != nil {
			return err
		}
	}
	return nil
}

func between(source *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(source.Int64N(int64(high-low)+1))
}
