package faults

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// pointPatience is how long a node may run with a failpoint armed before it
// is killed for another try: some are passed only when there is something to
// settle, and nothing was.
const pointPatience = 15 * time.Second

// pointTries bounds how often one death is tried.
const pointTries = 6

// death is a node's failpoint, armed.
type death struct {
	point string
	tries int
	until time.Time
}

// doFailpoints keeps every node armed with a failpoint: when it has died of it,
// it is started with the next one.
func (r *round) doFailpoints(ctx context.Context) error {
	queue := make([]death, 0, len(r.Points))
	for _, p := range r.Points {
		queue = append(queue, death{point: p})
	}
	armed := map[*node]*death{}
	given := map[string]int{}
	for len(queue) > 0 || len(armed) > 0 {
		for _, n := range r.nodes {
			next, err := r.disarm(n, armed[n])
			if err != nil {
				return err
			}
			if next != nil {
				if next.tries < pointTries {
					queue = append(queue, *next)
				} else {
					given[next.point]++
				}
			}
			if armed[n] != nil && n.running() {
				continue
			}
			delete(armed, n)
			if len(queue) == 0 {
				if !n.running() {
					if err := n.start(); err != nil {
						return err
					}
				}
				continue
			}
			d := queue[0]
			queue = queue[1:]
			if armed[n], err = r.arm(n, d); err != nil {
				return err
			}
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	for _, point := range slices.Sorted(maps.Keys(given)) {
		r.out.found("no node died of failpoint %s though it was tried %d times", point, given[point]*pointTries)
	}
	return r.flows(ctx)
}

// arm starts the node with a failpoint, after an end if it still runs.
func (r *round) arm(n *node, d death) (*death, error) {
	if n.running() {
		if err := n.kill(); err != nil {
			return nil, err
		}
	}
	d.tries++
	d.until = time.Now().Add(pointPatience)
	// What happens once an assignment is hit at the first time of asking; of
	// what happens with each batch, any of the first few.
	hit := 1
	if !strings.HasPrefix(d.point, "rebuild") && !strings.HasPrefix(d.point, "settle") {
		hit += r.rand.IntN(6)
	}
	return &d, n.start(fmt.Sprintf("PENSTOCK_FAILPOINT=%s:%d", d.point, hit))
}

// disarm looks what became of an armed node. It returns the death that has to
// be tried again, if it does.
func (r *round) disarm(n *node, d *death) (again *death, err error) {
	if d == nil {
		return nil, nil
	}
	if n.running() {
		if time.Now().Before(d.until) {
			return nil, nil
		}
		return d, n.kill()
	}
	point, err := n.diedOf()
	if err != nil {
		return nil, err
	}
	if point == d.point {
		r.out.fired(1, point)
		return nil, nil
	}
	r.out.found("%s", n.epitaph())
	return d, nil
}
