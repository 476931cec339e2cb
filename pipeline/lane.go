package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"penstock/pipeline/dedup"
	"penstock/schema"
)

// lane owns a share of the node's partitions: their windows of identities and the batch
// their records go to. Lanes share nothing but the breaker and the Kafka
// client; more speed is more lanes, then more nodes.
//
// Its fill goroutine owns everything up to a batch's sealing, its drain
// goroutine everything after. A batch travels free -> open -> full -> free, so
// "nothing is in flight" is "every batch is home", and a lane that has no
// batch to fill stops decoding: that is the memory bound.
type lane struct {
	id     int
	cfg    Config
	events Events
	queue  *queue
	owned  *ownership

	control chan control
	ended   chan struct{} // closed when fill has returned
	// gaps tells the lane's gap reader what to read, and backlog is what it finds.
	gaps    chan *reading
	backlog chan chunk
	// decoders and lookups: see readable.
	decoders *Decoders
	lookups  sync.WaitGroup
	// releases asks the drain goroutine to commit all that is stored.
	releases chan release
	free     chan *batch
	full     chan *batch
	aides    []*aide

	// newest is the schema of batches that are yet to be opened.
	newest *atomic.Pointer[schema.Schema]

	// What follows belongs to the fill goroutine.
	schema  *schema.Schema // of the open batch, and of who decodes into it
	filler  filler
	lookup  *lookup           // nil while every schema at hand is known
	tenants map[int32]*tenant // the settled partitions the lane owns
	open    *batch            // nil while every batch is being stored
	overdue bool              // open is past its age, and no batch is free to follow it
	work    chunk             // being decoded
	behind  chunk             // being decoded when there is no work: of a gap
	unread  []*reading        // of tenants whose gaps no reader was told of yet
	age     *time.Timer       // runs while open has records, until due
	due     time.Time
	pace    pace
	blocks  int    // bounds a generation of a window, see Config.blocks; since open has records
	serial  uint64 // of the last token
	prefix  string // of every token: unique to this lane of this process
}

// tenant is a settled partition of a lane.
type tenant struct {
	epoch  uint64
	window *dedup.Window
	next   int64  // the offset to go on at: records below are accounted for
	waits  bool   // nobody has read it for a while
	resume func() // has Kafka read; called once, unless the lane is full

	reads *reading // nil for a partition that had no gap when it was given to the node
	gap   *tenant  // what is read in its gaps; nil if it has none any more
}

// control asks the fill goroutine for something between two records.
type control struct {
	admit   map[int32]*tenant // from now on the lane's
	release []int32           // stop decoding these
	cause   SealCause
	// wait bounds a release, which lasts until what is in flight is stored and
	// committed.
	wait context.Context
	// done has the outcome, once.
	done chan error
}

// release asks for a commit of all that is stored, before wait ends, and that
// the partitions be forgotten then.
type release struct {
	partitions []int32
	wait       context.Context
	// done has the outcome, once.
	done chan error
}

func newLane(id int, cfg Config, newest *atomic.Pointer[schema.Schema], run string, owned *ownership, events Events, decoders *Decoders, throttle func(lane int, pause bool)) *lane {
	s := newest.Load()
	l := &lane{
		id: id, cfg: cfg, events: events, owned: owned, newest: newest, schema: s,
		queue:    newQueue(cfg.queueBytes(), func(pause bool) { throttle(id, pause) }),
		control:  make(chan control),
		gaps:     make(chan *reading),
		backlog:  make(chan chunk),
		ended:    make(chan struct{}),
		releases: make(chan release),
		decoders: decoders,
		free:     make(chan *batch, cfg.Batch.PerLane),
		full:     make(chan *batch, cfg.Batch.PerLane),
		filler:   filler{lane: id, events: events, splitter: cfg.splitter(), decoder: decoders.New(s)},
		tenants:  map[int32]*tenant{},
		age:      time.NewTimer(time.Hour),
		prefix:   fmt.Sprintf("%s-%d", run, id),
		pace:     pace{cfg: cfg.Batch},
	}
	l.age.Stop()
	for range cfg.Batch.PerLane {
		l.free <- newBatch(s)
	}
	for range cfg.Decoders - 1 {
		l.aides = append(l.aides, newAide(s, cfg.splitter(), decoders.New(s)))
	}
	return l
}

// errLaneEnded answers a control that nobody is left to obey.
var errLaneEnded = errors.New("the lane has ended")

// tell hands c to the fill goroutine and waits for the outcome.
func (l *lane) tell(ctx context.Context, c control) error {
	c.done = make(chan error, 1)
	select {
	case l.control <- c:
		return <-c.done
	case <-l.ended:
		return errLaneEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fill decodes what is queued into batches until ctx ends.
func (l *lane) fill(ctx context.Context) error {
	defer close(l.ended)
	defer l.age.Stop()
	defer l.lookups.Wait()
	defer l.forgo()
	var aides sync.WaitGroup
	defer aides.Wait()
	for _, a := range l.aides {
		aides.Go(a.run)
		defer close(a.work)
	}
	for {
		var again <-chan struct{}
		if c := l.readable(ctx, l.pick()); c != nil {
			l.decode(c)
			again = atOnce
		}
		// A batch past its age is sealed only when another can follow it:
		// while ClickHouse is slow batches grow instead of queueing up.
		free, ready, backlog := l.free, l.queue.ready, l.backlog
		if l.open != nil && !l.overdue && !l.turns() {
			free = nil
		}
		if l.open == nil || len(l.work.records) > 0 {
			ready = nil
		}
		if l.open == nil || l.behind.isGap() {
			backlog = nil
		}
		gaps, first := l.nextGap()
		select {
		case <-ctx.Done():
			return nil
		case c := <-l.control:
			c.done <- l.obey(ctx, c)
		case b := <-free:
			switch {
			case l.overdue:
				l.seal(SealedByAge)
			case l.open != nil:
				l.seal(SealedByTurn)
			}
			l.begin(b)
		case <-ready:
			if err := l.next(); err != nil {
				return err
			}
		case gaps <- first:
			l.unread = l.unread[1:]
		case c := <-backlog:
			if t := l.tenants[c.partition]; t != nil && t.epoch == c.epoch {
				l.behind = c
			}
		case err := <-l.lookup.outcome():
			if err = l.found(err); err != nil && ctx.Err() == nil {
				return err
			}
		case <-l.age.C:
			if l.open == nil || l.open.empty() {
				break
			}
			if more := l.filler.enricher.hold(l.open, time.Now()); more > 0 {
				l.age.Reset(more)
				break
			}
			l.overdue = true
		case <-again:
		}
	}
}

// begin opens the batch, by the newest schema.
func (l *lane) begin(b *batch) {
	if s := l.newest.Load(); s != l.schema {
		l.schema, l.filler.decoder = s, l.decoders.New(s)
		for _, a := range l.aides {
			a.use(s, l.decoders.New(s))
		}
	}
	b.use(l.schema)
	l.open = b
}

// atOnce is a channel that is always ready.
var atOnce = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// next takes the oldest chunk from the queue.
func (l *lane) next() error {
	c, ok := l.queue.pop()
	// A released partition is no tenant, and a lost one has another epoch: what
	// is still queued of them is no longer this lane's to store.
	if t := l.tenants[c.partition]; ok && t != nil && t.epoch == c.epoch && l.owned.epoch(c.partition) == c.epoch {
		l.work = c
		l.yield()
		l.events.Taken(Taken{Lane: l.id, Partition: c.partition, Waited: time.Since(c.polled)})
	} else if ok && l.owned.astray(c.partition, c.epoch) {
		// To drop them would lose them: later ones would be taken.
		return fmt.Errorf("%w: p%d was read before it was settled", errDoubt, c.partition)
	}
	return nil
}

// obey carries out a control.
func (l *lane) obey(ctx context.Context, c control) error {
	for p, t := range c.admit {
		if !l.owned.admit(p, t.epoch) {
			continue // given up while it was being settled
		}
		l.tenants[p] = t
		if t.gap != nil {
			l.unread = append(l.unread, t.reads)
		}
		// Here and not by whoever settled it: a release comes before or after,
		// so a partition that is given up and taken again is never read early.
		l.queue.admit(func(pause bool) {
			if !pause {
				t.resume()
			}
		})
	}
	if c.wait == nil {
		return nil
	}
	l.forgo()
	for _, p := range c.release {
		delete(l.tenants, p)
		if l.work.partition == p {
			l.work = chunk{}
		}
		if l.behind.partition == p {
			l.behind = chunk{}
		}
		l.unread = slices.DeleteFunc(l.unread, func(r *reading) bool { return r.partition == p })
	}
	if l.open != nil && !l.open.empty() {
		l.seal(c.cause)
	}
	return l.finish(ctx, c)
}

// finish waits until every batch is home, so that nothing is in flight, and
// until what came of them is committed: a partition is given up with nothing
// left to settle, or not in order.
func (l *lane) finish(ctx context.Context, c control) error {
	var home []*batch
	if l.open != nil {
		home = append(home, l.open)
		l.open = nil
		l.age.Stop()
	}
	defer func() {
		for _, b := range home {
			l.free <- b
		}
	}()
	for len(home) < l.cfg.Batch.PerLane {
		select {
		case b := <-l.free:
			home = append(home, b)
		case <-ctx.Done():
			return errLaneEnded
		case <-c.wait.Done():
			return fmt.Errorf("lane %d: %d batches not stored in time; the next owner settles them: %w", l.id, l.cfg.Batch.PerLane-len(home), context.Cause(c.wait))
		}
	}
	r := release{partitions: c.release, wait: c.wait, done: make(chan error, 1)}
	select {
	case l.releases <- r:
	case <-ctx.Done():
		return errLaneEnded
	case <-c.wait.Done():
		return fmt.Errorf("lane %d: stored, but commits are not taken; the next owner settles it: %w", l.id, context.Cause(c.wait))
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return errLaneEnded
	}
}
