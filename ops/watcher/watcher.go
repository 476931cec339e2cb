package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops/canary"
	"penstock/pipeline"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// Watcher watches a stream: a topic, the group that reads it, and the tables it comes to.
type Watcher struct {
	name   string
	cfg    Config
	table  string
	source *source
	shards []*server
	stored receipts.Shards
	fleet  *canary.Fleet // nil for no canaries
	teller *teller
	count  canaryMetrics

	mu        sync.Mutex // guards what follows
	now       knowledge
	sightings sightings
}

// knowledge is what the last looks have said.
type knowledge struct {
	kafka      looked[Group]
	clickhouse []looked[Server] // by shard
}

// looked is what the last look at something said.
type looked[T any] struct {
	value T // of the last look that succeeded
	ever  bool
	err   error     // of the last look
	since time.Time // when looks began to succeed, or to fail
}

// errNotYet is the error of what was not looked at yet.
var errNotYet = errors.New("it was not looked at yet")

func (l looked[T]) up() bool { return l.ever && l.err == nil }

// next is what is known after another look.
func (l looked[T]) next(now time.Time, value T, err error) looked[T] {
	if l.since.IsZero() || (err == nil) != l.up() {
		l.since = now
	}
	if l.err = err; err == nil {
		l.value, l.ever = value, true
	}
	return l
}

func (k knowledge) serversUp() bool {
	for _, s := range k.clickhouse {
		if !s.up() {
			return false
		}
	}
	return true
}

// servers returns what the servers said that ever said something.
func (k knowledge) servers() (all []Server) {
	for _, s := range k.clickhouse {
		if s.ever {
			all = append(all, s.value)
		}
	}
	return all
}

func (k knowledge) days() Days { return daysOf(time.Now(), k.servers()) }

// Open returns a watcher of a stream that looks at nothing before Run. It registers its
// metrics, penstock_watch_*. The caller closes it.
func Open(name string, cfg Config, p pipeline.Config, s *schema.Schema, reg prometheus.Registerer, log *slog.Logger) (_ *Watcher, err error) {
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"stream": name}, reg)
	w := &Watcher{
		name: name, cfg: cfg, table: s.Name, teller: &teller{log: log.With("stream", name)}, count: newCanaryMetrics(cfg.Canary, reg),
		now: knowledge{kafka: looked[Group]{err: errNotYet}},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.source, err = openSource(p.Kafka, cfg.Canary); err != nil {
		return nil, err
	}
	for _, shard := range p.ClickHouse.AllShards() {
		server, err := openServer(p.ClickHouse, shard, s)
		if err != nil {
			return nil, err
		}
		w.shards = append(w.shards, server)
		w.now.clickhouse = append(w.now.clickhouse, looked[Server]{err: errNotYet})
	}
	if cfg.Canary.Every > 0 {
		if w.stored, err = p.ClickHouse.Receipts(s); err != nil {
			return nil, err
		}
		if w.fleet, err = canary.New(cfg.Canary, p, s, w.source.client, w.stored, w.canaries()); err != nil {
			return nil, err
		}
	}
	register(w, reg)
	return w, nil
}

// Close closes the connections.
func (w *Watcher) Close() error {
	var errs []error
	if w.source != nil {
		w.source.close()
	}
	for _, s := range w.shards {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(append(errs, w.stored.Close())...)
}

// Run watches until ctx ends. Canaries are sent once Kafka was looked at.
func (w *Watcher) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for i := range w.shards {
		running.Go(func() { w.every(ctx, func() { w.lookAtServer(ctx, i) }) })
	}
	begun := false
	w.every(ctx, func() {
		w.lookAtKafka(ctx)
		if w.fleet != nil && !begun {
			begun = true
			running.Go(func() { w.fleet.Run(ctx, w.partitions) })
		}
	})
}

// every does something at once, and then every so often until ctx ends.
func (w *Watcher) every(ctx context.Context, do func()) {
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *Watcher) lookAtKafka(ctx context.Context) {
	group, err := w.source.look(ctx)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	w.now.kafka = w.now.kafka.next(time.Now(), group, err)
	w.mu.Unlock()
	w.teller.kafka(group, err)
}

func (w *Watcher) lookAtServer(ctx context.Context, i int) {
	server, err := w.shards[i].look(ctx)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	w.now.clickhouse[i] = w.now.clickhouse[i].next(time.Now(), server, err)
	w.mu.Unlock()
	w.teller.server(w.shards[i].shard.Name, server, err)
}

// known returns what the last looks have said.
func (w *Watcher) known() knowledge {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now
	now.clickhouse = append([]looked[Server](nil), now.clickhouse...)
	return now
}

// partitions returns how many partitions the topic has, as far as it was ever known.
func (w *Watcher) partitions() (int, error) {
	now := w.known().kafka
	if !now.ever {
		return 0, fmt.Errorf("the topic's partitions are not known: %w", now.err)
	}
	return len(now.value.Partitions), nil
}

// Problems returns what keeps the watcher from being ready: what it cannot see.
func (w *Watcher) Problems() (all []string) {
	now := w.known()
	if !now.kafka.up() {
		all = append(all, fmt.Sprintf("stream %s: kafka: %v", w.name, now.kafka.err))
	}
	for i, s := range now.clickhouse {
		if !s.up() {
			all = append(all, fmt.Sprintf("stream %s: clickhouse shard %s: %v", w.name, w.shards[i].shard.Name, s.err))
		}
	}
	return all
}

// canaries is what is made of what becomes of canaries.
func (w *Watcher) canaries() canary.Events {
	note := func(do func(s *sightings, now time.Time)) {
		w.mu.Lock()
		defer w.mu.Unlock()
		do(&w.sightings, time.Now())
	}
	missed := func(why string) {
		w.count.invisible()
		note(func(s *sightings, now time.Time) { s.missed(now, why) })
		w.teller.missed(why)
	}
	return canary.Events{
		Sent: func() {
			w.count.sent.Inc()
			note(func(s *sightings, _ time.Time) { s.sent++ })
		},
		Failed: func(err error) {
			w.count.failures.WithLabelValues(sending).Inc()
			missed(err.Error())
		},
		Seen: func(took time.Duration) {
			w.count.visible.Observe(took.Seconds())
			note(func(s *sightings, now time.Time) { s.seen(now, took) })
			w.teller.seen()
		},
		Lost: func(c canary.Canary) {
			w.count.lost.Inc()
			missed(fmt.Sprintf("an event sent to p%d at %s is not in ClickHouse after %v", c.Partition, c.Begun.UTC().Format(time.TimeOnly), w.cfg.Canary.Limit))
		},
		Late: func(c canary.Canary, took time.Duration) { w.teller.late(c, took) },
		Asked: func(err error) {
			if err != nil {
				w.count.failures.WithLabelValues(querying).Inc()
				note(func(s *sightings, _ time.Time) { s.err = err.Error() })
			}
		},
	}
}
