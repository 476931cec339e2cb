package loadtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of a dead letter: why it is one, and where the rejected record lies.
const (
	headerReason    = "penstock-reason"
	headerPartition = "penstock-partition"
	headerOffset    = "penstock-offset"
)

// deadLetters reads the dead-letter topic from where it ended before the run.
type deadLetters struct {
	client *kgo.Client
	topic  string // of the telemetry
	// from is where each partition of the telemetry topic ended before the run:
	// dead letters of records before that belong to an earlier one.
	from kadm.ListedOffsets

	mu sync.Mutex
	// What follows is guarded by mu.

	// reasons holds each rejected record once: a node that is killed between a
	// dead letter and its commit writes it again.
	reasons map[coordinate]string
	again   uint64
	trouble error // of the last fetch
}

// openDeadLetters starts at the present end of the dead-letter topic, for what
// the telemetry topic gets from now on.
func openDeadLetters(ctx context.Context, admin *kadm.Client, c Config) (*deadLetters, error) {
	ends, err := admin.ListEndOffsets(ctx, c.DeadLetters, c.Topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end of dead-letter topic %q: %w; `ingest migrate` creates it, or name another with dlq-topic", c.DeadLetters, err)
	}
	start := map[int32]kgo.Offset{}
	for _, o := range ends[c.DeadLetters] {
		start[o.Partition] = kgo.NewOffset().At(o.Offset)
	}
	client, err := kgo.NewClient(c.Options("penstock-loadtest-dead-letters",
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.DeadLetters: start}))...)
	if err != nil {
		return nil, fmt.Errorf("kafka client for %v: %w", c.Brokers, err)
	}
	return &deadLetters{client: client, from: ends, topic: c.Topic, reasons: map[coordinate]string{}}, nil
}

// run reads dead letters until ctx ends. An error does not stop it: Kafka may
// come back.
func (d *deadLetters) run(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := d.client.PollFetches(ctx)
		err := fetches.Err()
		d.mu.Lock()
		if !errors.Is(err, context.Canceled) {
			d.trouble = err
		}
		fetches.EachRecord(d.add)
		d.mu.Unlock()
		if err != nil {
			select { // a broker that refuses at once must not be asked in a loop
			case <-ctx.Done():
			case <-time.After(pollTimeout / 10):
			}
		}
	}
}

// add is called with mu held.
func (d *deadLetters) add(r *kgo.Record) {
	// A letter without coordinates is taken for a record of its own; its place
	// in this topic keeps it apart.
	reason, at := "", coordinate{-1 - r.Partition, r.Offset}
	var partition, offset int64
	var errs error
	found := 0
	for _, h := range r.Headers {
		var err error
		switch h.Key {
		case headerReason:
			reason = string(h.Value)
		case headerPartition:
			partition, err = strconv.ParseInt(string(h.Value), 10, 32)
			found++
		case headerOffset:
			offset, err = strconv.ParseInt(string(h.Value), 10, 64)
			found++
		}
		errs = errors.Join(errs, err)
	}
	if found == 2 && errs == nil {
		at = coordinate{int32(partition), offset}
		if o, ok := d.from.Lookup(d.topic, at.partition); ok && offset < o.Offset {
			return
		}
	}
	if _, seen := d.reasons[at]; seen {
		d.again++
	}
	d.reasons[at] = reason
}

// Rejects compares the dead letters with the malformed records.
type Rejects struct {
	Rejected uint64            `json:"rejected"` // records dead-lettered, each counted once
	ByReason map[string]uint64 `json:"rejects_by_reason"`
	// Again are dead letters beyond one a record; allowed, as a killed node
	// rejects what it had not committed once more.
	Again uint64 `json:"rejected_again"`
	// Unrejected are malformed records without a dead letter; Wrongly are dead
	// letters of records that are not malformed ones of this run.
	Unrejected uint64 `json:"unrejected"`
	Wrongly    uint64 `json:"rejected_wrongly"`
	// OtherReason are malformed records rejected for another reason than the
	// schema has for their flaw.
	OtherReason uint64 `json:"rejected_for_other_reason"`

	examples []string
}

// complete tells whether each of n malformed records is rejected.
func (r Rejects) complete() bool { return r.Unrejected == 0 }

func (d *deadLetters) compare(l *ledger) Rejects {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := Rejects{Rejected: uint64(len(d.reasons)), ByReason: map[string]uint64{}, Again: d.again}
	example := func(format string, args ...any) {
		if len(r.examples) < maxExamples {
			r.examples = append(r.examples, fmt.Sprintf(format, args...))
		}
	}
	for at, reason := range d.reasons {
		r.ByReason[reason]++
		f, ok := l.flawAt(at)
		switch {
		case !ok:
			r.Wrongly++
			example("partition %d offset %d: rejected (%s), was not malformed", at.partition, at.offset, reason)
		case reason != string(flaws[f].reason):
			r.OtherReason++
			example("partition %d offset %d: %v, rejected for %q instead of %q", at.partition, at.offset, f, reason, flaws[f].reason)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, f := range l.malformed {
		if _, ok := d.reasons[at]; !ok {
			r.Unrejected++
			example("partition %d offset %d: malformed (%v), no dead letter", at.partition, at.offset, f)
		}
	}
	return r
}

func (d *deadLetters) close() { d.client.Close() }
