package canary

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// Events tell what becomes of canaries. Any of them may be nil. They are called by
// several goroutines, and return at once.
type Events struct {
	// Sent: Kafka has acknowledged one.
	Sent func()
	// Failed: one could not be sent within the limit, or was refused.
	Failed func(err error)
	// Seen: one was found, so long after it was begun.
	Seen func(took time.Duration)
	// Lost: one that was sent was not found within the limit.
	Lost func(Canary)
	// Late: one that had been given up was found after all.
	Late func(c Canary, took time.Duration)
	// Asked: ClickHouse was asked for those on their way; nil if it answered.
	Asked func(err error)
}

func (e Events) ensure() Events {
	set := func(f *func(error)) {
		if *f == nil {
			*f = func(error) {}
		}
	}
	set(&e.Failed)
	set(&e.Asked)
	if e.Sent == nil {
		e.Sent = func() {}
	}
	if e.Seen == nil {
		e.Seen = func(time.Duration) {}
	}
	if e.Lost == nil {
		e.Lost = func(Canary) {}
	}
	if e.Late == nil {
		e.Late = func(Canary, time.Duration) {}
	}
	return e
}

const (
	// pollEvery is how finely visibility is measured: a thirtieth of the promise. A
	// poll is one query a shard, and none is made while nothing is on its way.
	pollEvery = 150 * time.Millisecond
	// againAfter is how long a ClickHouse that did not answer is left alone.
	againAfter = time.Second
	// lateEvery is how often those that were given up are looked for.
	lateEvery = 10 * time.Second
	// queryTimeout ends a query that hangs, as one does when ClickHouse is gone.
	queryTimeout = 5 * time.Second
)

// store is what is asked for rows: a [receipts.Reader].
type store interface {
	Everywhere(ctx context.Context, view string, events []receipts.Event) ([]receipts.Copy, error)
}

// producer is the Kafka client, which has the [Options].
type producer interface {
	TryProduce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error))
}

// Options are what a client needs for canaries to be produced by it.
func Options(cfg Config) []kgo.Opt {
	return []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(cfg.Limit), kgo.ProducerLinger(0)}
}

// Fleet is all canaries of a topic.
type Fleet struct {
	cfg    Config
	topic  string
	table  string // that rows come to
	writer *writer
	client producer
	stores []store // by shard; those of shards that take rows no more are not asked
	shard  func(partition int32) int
	events Events

	mu   sync.Mutex // guards book; held for a few assignments, or a walk over what is on its way
	book *book
}

// New returns canaries that are not sent before Run. It is an error if none can be
// written as the topic's records are.
func New(cfg Config, p pipeline.Config, s *schema.Schema, client producer, stored receipts.Shards, events Events) (*Fleet, error) {
	w, err := newWriter(s, p.Kafka, cfg.Device)
	if err != nil {
		return nil, err
	}
	f := &Fleet{
		cfg: cfg, topic: p.Kafka.Topic, table: s.Hot(p.ClickHouse.Tables()), writer: w, client: client, shard: p.ClickHouse.ShardOf, events: events.ensure(),
		book: newBook(cfg.Limit, time.Now()),
	}
	for _, r := range stored[:len(stored)-len(p.ClickHouse.Retired)] {
		f.stores = append(f.stores, r)
	}
	return f, nil
}

// Run sends canaries and looks for them until ctx ends. Partitions returns how many
// the topic has, or why that is not known yet: once that has lasted for the limit,
// canaries fail.
func (f *Fleet) Run(ctx context.Context, partitions func() (int, error)) {
	var looking sync.WaitGroup
	for i := range f.stores {
		looking.Go(func() { f.look(ctx, i) })
	}
	defer looking.Wait()
	tick := time.NewTicker(f.cfg.Every)
	defer tick.Stop()
	begun := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, err := partitions()
		switch {
		case err == nil:
			f.send(ctx, n)
		case time.Since(begun) >= f.cfg.Limit:
			f.events.Failed(err)
		}
		f.expire()
	}
}

// send sends the next canary.
func (f *Fleet) send(ctx context.Context, partitions int) {
	f.mu.Lock()
	c := f.book.begin(time.Now(), partitions)
	f.mu.Unlock()
	record := &kgo.Record{Topic: f.topic, Partition: c.Partition, Key: []byte(f.writer.deviceOf(c.Partition)), Value: f.writer.value(c)}
	f.client.TryProduce(ctx, record, func(_ *kgo.Record, err error) {
		if ctx.Err() != nil {
			return // it ends, and so does the book
		}
		f.mu.Lock()
		failed := err != nil && f.book.refused(c)
		if err == nil {
			f.book.acknowledged(c)
		}
		f.mu.Unlock()
		switch {
		case err == nil:
			f.events.Sent()
		case failed:
			f.events.Failed(fmt.Errorf("produce to %s p%d: %w", f.topic, c.Partition, err))
		}
	})
}

// expire gives up what takes longer than the limit.
func (f *Fleet) expire() {
	f.mu.Lock()
	failures, losses := f.book.expired(time.Now())
	f.mu.Unlock()
	for _, c := range failures {
		f.events.Failed(fmt.Errorf("produce to %s p%d: not acknowledged within %v", f.topic, c.Partition, f.cfg.Limit))
	}
	for _, c := range losses {
		f.events.Lost(c)
	}
}

// Oldest returns when the canary was begun that is on its way the longest; false if none
// is.
func (f *Fleet) Oldest() (begun time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.book.waiting()
	if len(all) == 0 {
		return time.Time{}, false
	}
	return all[0].Begun, true
}

// look looks for the canaries of a shard's partitions.
func (f *Fleet) look(ctx context.Context, shard int) {
	wait := time.NewTimer(pollEvery)
	defer wait.Stop()
	late := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		givenToo := time.Since(late) >= lateEvery
		if givenToo {
			late = time.Now()
		}
		again := pollEvery
		if err := f.ask(ctx, shard, givenToo); err != nil && ctx.Err() == nil {
			again = againAfter
		}
		wait.Reset(again)
	}
}

// ask asks once, if there is something to ask for.
func (f *Fleet) ask(ctx context.Context, shard int, givenToo bool) error {
	f.mu.Lock()
	all := f.book.awaited(func(partition int32) bool { return f.shard(partition) == shard }, givenToo)
	f.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	events := make([]receipts.Event, len(all))
	for i, c := range all {
		events[i] = receipts.Event{Device: f.writer.deviceOf(c.Partition), Time: c.At}
	}
	asking, cancel := context.WithTimeoutCause(ctx, queryTimeout, fmt.Errorf("no answer within %v", queryTimeout))
	defer cancel()
	found, err := f.stores[shard].Everywhere(asking, f.table, events)
	now := time.Now()
	if ctx.Err() != nil {
		return nil
	}
	f.events.Asked(err)
	if err != nil {
		return err
	}
	for _, row := range found {
		f.mu.Lock()
		c, late, known := f.book.seen(key{row.Partition, row.Time})
		f.mu.Unlock()
		switch took := now.Sub(c.Begun); {
		case !known: // another device's of the same time, or seen already
		case late:
			f.events.Late(c, took)
		default:
			f.events.Seen(took)
		}
	}
	return nil
}
