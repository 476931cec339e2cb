package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/ops/peer"
	"penstock/ops/state"
)

const (
	// askEvery is how often peers are asked, whether anybody looks or not: since when
	// one does not answer is known by that. A page shows nothing older.
	askEvery = 2 * time.Second
	// atOnce bounds how many are asked at the same time.
	atOnce = 16
	// maxState bounds an answer, in bytes: a node's is some 40 kB a stream.
	maxState = 16 << 20
	// goneAfter is how long a program is remembered that no name stands for any more.
	// Longer than a pod takes to be replaced; one that was taken away on purpose is
	// nobody's concern for longer.
	goneAfter = 2 * time.Minute
)

// Peers asks other programs how they are.
type Peers struct {
	names  []string
	client *peer.Client

	mu  sync.Mutex // guards what follows
	all map[string]*asked
}

// asked is a program that is asked. It is replaced and never changed.
type asked struct {
	peer  state.Peer
	state state.State // the last answer; empty while it does not answer
	named time.Time   // when a name last stood for it
}

// NewPeers returns those that the config names. Nobody is asked before During.
func NewPeers(cfg Config, access peer.Access) *Peers {
	return &Peers{names: cfg.Peers, client: peer.New(access, askEvery), all: map[string]*asked{}}
}

// During asks until what it returns is called, which waits for the last answer.
func (p *Peers) During() (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	if len(p.names) > 0 {
		asking.Go(func() { p.run(ctx) })
	}
	return func() { stop(); asking.Wait() }
}

func (p *Peers) run(ctx context.Context) {
	turn := time.NewTicker(askEvery)
	defer turn.Stop()
	for {
		p.ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
	}
}

// ask asks every program once.
func (p *Peers) ask(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, name := range p.names {
		g.Go(func() error {
			addresses, err := peer.Addresses(ctx, name)
			if err != nil {
				p.answered(name, state.State{}, err)
				return nil
			}
			if len(addresses) == 1 {
				addresses[0] = name // is what people know it by
			}
			for _, at := range addresses {
				s, err := Ask(ctx, p.client, at, ownPath)
				p.answered(at, s, err)
			}
			return nil
		})
	}
	_ = g.Wait() // reports nothing
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.all, func(_ string, a *asked) bool { return time.Since(a.named) > goneAfter })
}

// answered notes what a program said, or that it did not.
func (p *Peers) answered(at string, s state.State, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := &asked{peer: state.Peer{Name: at}, state: s, named: time.Now()}
	if was := p.all[at]; was != nil {
		next.peer = was.peer
	}
	switch {
	case err == nil:
		next.peer.Since, next.peer.Error = time.Time{}, ""
		if len(s.Programs) > 0 {
			next.peer.Kind, next.peer.Program = s.Programs[0].Kind, s.Programs[0].Name
		}
	case next.peer.Away():
		next.peer.Error = err.Error()
	default:
		next.peer.Since, next.peer.Error = next.named.UTC(), err.Error()
	}
	p.all[at] = next
}

// states returns what the programs said last, and a state of who was asked.
// The program that asks may be among them, by its own name: it is left out.
func (p *Peers) states(self string) []state.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	var known state.State
	all := []state.State{}
	for _, at := range slices.Sorted(maps.Keys(p.all)) {
		a := p.all[at]
		if a.peer.Program == self {
			continue
		}
		if time.Since(a.named) > 2*askEvery && !a.peer.Away() {
			gone := *a
			gone.peer.Since, gone.peer.Error, gone.state = a.named.UTC(), "its name does not stand for it any more", state.State{}
			a = &gone
		}
		known.Peers = append(known.Peers, a.peer)
		all = append(all, a.state)
	}
	return append(all, known)
}

// Ask returns what the program at an address says at a path of [Page.Handlers].
func Ask(ctx context.Context, client *peer.Client, at, path string) (s state.State, err error) {
	body, err := client.Get(ctx, at, path, maxState)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		return s, fmt.Errorf("what %s answers at %s is no state: %w", at, path, err)
	}
	return s, nil
}
