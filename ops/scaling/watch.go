package scaling

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/ops/peer"
	"penstock/ops/settings"
)

// Config is how a group is watched and its number of nodes decided.
type Config struct {
	Policy `koanf:",squash"`
	// Nodes are where the nodes' pages are, each as host:port of their admin.addr.
	// A host that has several addresses, as a headless service of Kubernetes has,
	// stands for a node at each.
	Nodes []string `koanf:"nodes"`
	// Cores is how many cores a node has. The default is 0, for what Go makes of it:
	// that of its CPU limit, and without one all of the machine, which it may have
	// to share.
	Cores float64 `koanf:"cores"`
	// Every is the time between two looks at the nodes. Shorter: a load that grows
	// is seen sooner. Longer: rates are calmer. The default is 5s.
	Every time.Duration `koanf:"every"`
	// Addr is where the answer is served as JSON and as metrics, host:port. The
	// default is localhost:9467; empty for not at all.
	Addr string `koanf:"addr"`
	// GRPC is where KEDA asks, host:port. The default is localhost:9466; empty for
	// not at all.
	GRPC string `koanf:"grpc"`
}

// Default returns the defaults.
func Default() Config {
	return Config{Policy: DefaultPolicy(), Every: 5 * time.Second, Addr: "localhost:9467", GRPC: "localhost:9466"}
}

// Validate returns every fault.
func (c Config) Validate() error {
	var errs []error
	if len(c.Nodes) == 0 {
		errs = append(errs, errors.New("scaling.nodes is empty; want where the nodes' admin.addr is reached, such as ingest-headless:9464"))
	}
	for _, n := range c.Nodes {
		if host, port, err := net.SplitHostPort(n); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("scaling.nodes has %q; want host:port, such as ingest-headless:9464", n))
		}
	}
	if c.Cores < 0 {
		errs = append(errs, fmt.Errorf("scaling.cores is %v; want how many cores a node has, or 0 for what it says itself", c.Cores))
	}
	if c.UpAfter > 0 && c.Every > c.UpAfter {
		errs = append(errs, fmt.Errorf("scaling.every is %v with up_after %v; want several looks within it", c.Every, c.UpAfter))
	}
	if c.Every <= 0 {
		errs = append(errs, fmt.Errorf("scaling.every is %v; want a positive duration such as 5s", c.Every))
	}
	for _, fault := range settings.Leaves(c.Policy.Validate()) {
		errs = append(errs, fmt.Errorf("scaling.%w", fault))
	}
	return errors.Join(errs...)
}

// Watcher looks at a group's nodes and decides how many there should be.
type Watcher struct {
	cfg     Config
	client  *peer.Client
	decided func(State)

	observer *Observer
	scaler   *Scaler

	mu   sync.Mutex // guards what follows
	last State
}

// State is what a watcher knows.
type State struct {
	// Decision is the last one; its Nodes are 0 before the first.
	Decision
	// Problem is what is wrong with the last look: nodes that do not answer.
	// Empty if nothing is.
	Problem string `json:"problem,omitempty"`
}

// NotYet is the problem of a watcher that has not looked twice: rates take two looks.
const NotYet = "the nodes have not been looked at twice yet"

// NewWatcher returns a watcher, which nodes let in by access. Decided, which may be
// nil, is called after each look.
func NewWatcher(cfg Config, access peer.Access, decided func(State)) *Watcher {
	if decided == nil {
		decided = func(State) {}
	}
	return &Watcher{
		cfg: cfg, client: peer.New(access, cfg.Every), decided: decided,
		observer: NewObserver(cfg.SlowInsert, cfg.Cores), scaler: New(cfg.Policy),
		last: State{Problem: NotYet},
	}
}

// Last returns what is known.
func (w *Watcher) Last() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Run looks at the nodes until ctx ends. Nodes that do not answer are left out;
// while none does the last decision stands.
func (w *Watcher) Run(ctx context.Context) {
	turn := time.NewTicker(w.cfg.Every)
	defer turn.Stop()
	var before map[string]Sample
	for {
		looking, done := context.WithTimeout(ctx, 2*w.cfg.Every)
		now, err := w.look(looking)
		done()
		if ctx.Err() != nil {
			return
		}
		state := w.Last()
		if before != nil && len(now) > 0 {
			state = State{Decision: w.scaler.Decide(w.observer.Observe(time.Now(), before, now))}
		}
		if err != nil {
			state.Problem = err.Error()
		} else if state.Reason == "" {
			state.Problem = NotYet
		}
		if len(now) > 0 {
			before = now
		}
		w.mu.Lock()
		w.last = state
		w.mu.Unlock()
		w.decided(state)
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
	}
}

// nodesAtOnce bounds how many nodes are asked at the same time.
const nodesAtOnce = 16

// look asks every node, and returns the answers by address, and what was wrong
// with the others.
func (w *Watcher) look(ctx context.Context) (map[string]Sample, error) {
	var mu sync.Mutex
	var faults []error
	samples := map[string]Sample{}
	var g errgroup.Group
	g.SetLimit(nodesAtOnce)
	for _, node := range w.cfg.Nodes {
		addresses, err := peer.Addresses(ctx, node)
		if err != nil {
			mu.Lock() // others are being asked already
			faults = append(faults, fmt.Errorf("node %s: %w", node, err))
			mu.Unlock()
			continue
		}
		for _, at := range addresses {
			g.Go(func() error {
				s, err := w.ask(ctx, at)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					faults = append(faults, fmt.Errorf("node %s: %w", at, err))
					return nil // the others answer for it
				}
				samples[at] = s
				return nil
			})
		}
	}
	_ = g.Wait() // reports nothing
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return samples, errors.Join(faults...)
}

func (w *Watcher) ask(ctx context.Context, node string) (_ Sample, err error) {
	text, err := w.client.Get(ctx, node, "/metrics", maxPage)
	if err != nil {
		return Sample{}, err
	}
	defer func() { err = errors.Join(err, text.Close()) }()
	return read(text, time.Now())
}

// maxPage bounds a page of metrics, in bytes.
const maxPage = 16 << 20
