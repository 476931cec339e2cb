package ops

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Drain has a node give up its work in order and stay, not ready, until whoever
// runs it stops it: the partitions are another node's by then, and a stop costs
// nothing any more. Nothing takes a drain back; a node that is started anew
// works again.
//
// As a handler it is /drain: POST asks for it, GET tells how far it is.
type Drain struct {
	asked chan struct{} // closed when it is asked for
	ask   sync.Once
	done  chan struct{} // closed when the work has ended of it
}

// NewDrain returns a drain nobody asked for, with its metric.
func NewDrain(reg prometheus.Registerer) *Drain {
	d := &Drain{asked: make(chan struct{}), done: make(chan struct{})}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "penstock_ingest_draining", Help: "1 once the node was asked at /drain to give up its partitions; it takes none until it is started anew.",
	}, func() float64 { return number(isClosed(d.asked)) }))
	return d
}

// During runs work, which has to end in order when its context does, and returns
// when ctx has ended too; or at once, with work's error. Drained is called when
// work has ended of a drain.
func (d *Drain) During(ctx context.Context, work func(context.Context) error, drained func()) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-d.asked:
			stop()
		case <-stopped:
		}
	})
	err := work(working)
	close(stopped)
	watching.Wait()
	if err != nil || ctx.Err() != nil || !isClosed(d.asked) {
		return err
	}
	close(d.done)
	drained()
	<-ctx.Done()
	return nil
}

// Problems returns what it keeps the node from being ready by.
func (d *Drain) Problems() []string {
	switch {
	case isClosed(d.done):
		return []string{"drained: the node has given up its partitions, and waits to be stopped"}
	case isClosed(d.asked):
		return []string{"draining: the node stores what it has read and gives up its partitions"}
	}
	return nil
}

// ServeHTTP implements [http.Handler].
func (d *Drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		d.ask.Do(func() { close(d.asked) })
		w.WriteHeader(http.StatusAccepted)
	}
	fmt.Fprintln(w, d.standing())
}

// The answers of /drain.
const (
	Working  = "working"
	Draining = "draining"
	Drained  = "drained"
)

func (d *Drain) standing() string {
	switch {
	case isClosed(d.done):
		return Drained
	case isClosed(d.asked):
		return Draining
	}
	return Working
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
