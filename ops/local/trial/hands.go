package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"penstock/loadtest/gate"
	"penstock/ops/local/ingest"
	"penstock/ops/local/proxy"
)

// node is an ingest node of a run.
type node struct {
	spec ingest.Spec

	mu sync.Mutex
	// process is nil while it is meant not to run, and once it was seen to have
	// ended. It is guarded by mu.
	process *ingest.Node
}

// take returns the process, which belongs to the caller then.
func (n *node) take() *ingest.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.process
	n.process = nil
	return p
}

// start starts nodes and waits until each says it is ready.
func (r *rig) start(ctx context.Context, nodes []*node) error {
	for _, n := range nodes {
		p, err := ingest.Start(n.spec)
		if err != nil {
			return err
		}
		n.mu.Lock()
		n.process = p
		n.mu.Unlock()
	}
	for _, n := range nodes {
		n.mu.Lock()
		p := n.process
		n.mu.Unlock()
		if p == nil {
			continue // it ended by itself, and was counted
		}
		if err := p.AwaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Begin implements [play.Hands].
func (r *rig) Begin(_ context.Context, f gate.Fault) error {
	switch f.Kind {
	case gate.ClickHouseFreeze:
		r.frozen = true
		return syscall.Kill(r.stack.Addresses().ClickHouse.Pid, syscall.SIGSTOP)
	case gate.ClickHouseAway:
		r.clickHouse.Refuse()
		return nil
	case gate.ClickHouseSlow:
		return r.clickHouse.Break(proxy.Delay(proxy.Upstream, f.Delay))
	case gate.NodeKill:
		if p := r.victim().take(); p != nil {
			return p.Kill()
		}
		return nil
	case gate.NodesAway:
		var errs []error
		for _, n := range r.nodes {
			if p := n.take(); p != nil {
				errs = append(errs, p.Stop())
			}
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("BUG: a fault of kind %q", f.Kind)
}

// victim is the node that is killed: the last one.
func (r *rig) victim() *node { return r.nodes[len(r.nodes)-1] }

// End implements [play.Hands].
func (r *rig) End(ctx context.Context, f gate.Fault) error {
	switch f.Kind {
	case gate.ClickHouseFreeze:
		return r.thaw()
	case gate.ClickHouseAway:
		return r.clickHouse.Restore()
	case gate.ClickHouseSlow:
		return r.clickHouse.Heal()
	case gate.NodeKill:
		return r.start(ctx, []*node{r.victim()})
	case gate.NodesAway:
		return r.start(ctx, r.nodes)
	}
	return fmt.Errorf("BUG: a fault of kind %q", f.Kind)
}

func (r *rig) thaw() error {
	r.frozen = false
	return syscall.Kill(r.stack.Addresses().ClickHouse.Pid, syscall.SIGCONT)
}

// Crashed implements [play.Hands].
func (r *rig) Crashed() ([]string, error) {
	var crashed []string
	for _, n := range r.nodes {
		n.mu.Lock()
		if n.process != nil {
			if err := n.process.Err(); err != nil {
				crashed = append(crashed, err.Error())
				n.process = nil
			}
		}
		n.mu.Unlock()
	}
	return crashed, r.stack.Err()
}
