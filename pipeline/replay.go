package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"

	"penstock/pipeline/intent"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// Letters are replayed in portions: so many have their events looked up by one
// statement and share inserts, and their records fit in memory.
const (
	portionLetters = 1000
	portionBytes   = 16 << 20 // but for the letter that crosses it
)

// DefaultReplayRate is how many letters a second are replayed unless more are
// asked for: five portions, which is about as many inserts as one lane makes.
const DefaultReplayRate = 5000

// ReplayRequest says what is replayed, and how.
type ReplayRequest struct {
	Filter LetterFilter
	// DryRun stores nothing, and says what would be.
	DryRun bool
	// Rate bounds the letters a second.
	Rate float64
}

// Replayed is what became of letters. Of those that the filter admits
//
//	Letters = Stored + Already + Duplicates + Rejected + Gone + Open
type Replayed struct {
	Letters int64 `json:"letters"` // records; one that was dead-lettered twice counts once
	// Stored were stored, or would be: their rows have the coordinates of the
	// record that was rejected.
	Stored     int64 `json:"stored"`
	Already    int64 `json:"already_stored"` // by an earlier replay, or by a node of another schema
	Duplicates int64 `json:"duplicates"`     // the event is stored from another record, such as a device's resend
	// Rejected are rejected still, by reason.
	Rejected map[schema.Reason]int64 `json:"rejected"`
	// Gone were cut when they were dead-lettered, and Kafka no longer has the record.
	Gone int64 `json:"gone"`
	// Open are of records above the group's commit: a node may be about to store
	// them.
	Open int64 `json:"open"`

	// Samples are some of what is left, the first of each reason.
	Samples []LeftLetter `json:"left"`
	Read    LettersRead  `json:"-"`
}

// LeftLetter is a letter that a replay leaves as it is.
type LeftLetter struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Reason    string `json:"reason"` // a schema.Reason, or "gone"
	Detail    string `json:"detail"`
}

// samplesMost bounds the samples of each reason.
const samplesMost = 5

// reasonGone is the reason of samples that no schema rejects.
const reasonGone = "gone"

// left takes a letter that is not stored.
func (r *Replayed) left(of Letter, reason, detail string) {
	same := 0
	for _, s := range r.Samples {
		if s.Reason == reason {
			same++
		}
	}
	if same < samplesMost {
		r.Samples = append(r.Samples, LeftLetter{of.Record.Partition, of.Record.Offset, reason, detail})
	}
}

// replayStore is what a replay asks a shard; [receipts.Reader] is one.
type replayStore interface {
	stored
	Everywhere(ctx context.Context, view string, events []receipts.Event) ([]receipts.Copy, error)
}

// Replay stores the records of dead letters that the schema has room for now. They
// are stored as what they were, under their own coordinates, and not sent to the
// topic again: so what is stored is known for as long as its rows are, and a
// replay may be repeated whenever, and be killed at any point. One replay of a
// group works at a time. Told, which may be nil, hears how far it is.
//
// What is rejected still stays the letter it is; no other is written.
func Replay(ctx context.Context, cfg Config, s *schema.Schema, req ReplayRequest, events Events, told func(LettersRead, Replayed)) (_ Replayed, failed error) {
	r := &replay{cfg: cfg, schema: s, req: req, events: events.ensure(), sink: newInserter(cfg.ClickHouse, s), told: told}
	defer func() { failed = errors.Join(failed, r.sink.Close()) }()
	readers, err := cfg.ClickHouse.Receipts(s)
	if err != nil {
		return Replayed{}, err
	}
	defer func() { failed = errors.Join(failed, readers.Close()) }()
	for _, reader := range readers {
		r.shards = append(r.shards, reader)
	}
	if !req.DryRun { // which stores nothing that has to be filled
		if r.enricher.devices, err = cfg.devices(s, r.events); err != nil {
			return Replayed{}, err
		}
	}
	var out Replayed
	err = know(ctx, r.enricher.devices, func() (err error) {
		out, err = r.run(ctx)
		return err
	})
	return out, err
}

// replay is one replay at work. It is used by one goroutine.
type replay struct {
	cfg    Config
	schema *schema.Schema
	req    ReplayRequest
	events Events
	sink   sink
	shards []replayStore // as ClickHouse.AllShards
	told   func(LettersRead, Replayed)

	decoders *Decoders

	lock     *replayLock // nil in a dry run
	store    *store
	splitter splitter
	decoder  *schema.Decoder
	enricher enricher
	limiter  *rate.Limiter
	done     map[int32]intent.State // what the group has committed
	portion  []Letter
	bytes    int // of the portion
	out      Replayed
}

func (r *replay) run(ctx context.Context) (_ Replayed, failed error) {
	if r.told == nil {
		r.told = func(LettersRead, Replayed) {}
	}
	if err := r.req.Filter.Faults(); err != nil {
		return Replayed{}, err
	}
	if r.req.Rate <= 0 {
		return Replayed{}, fmt.Errorf("the rate is %g letters a second; want more than 0, and rather %d", r.req.Rate, DefaultReplayRate)
	}
	client, err := kgo.NewClient(r.cfg.Kafka.Options("penstock-dlq")...)
	if err != nil {
		return Replayed{}, fmt.Errorf("kafka.brokers %v: %w", r.cfg.Kafka.Brokers, err)
	}
	defer client.Close()
	if !r.req.DryRun {
		if r.lock, err = lockReplay(ctx, r.cfg.Kafka); err != nil {
			return Replayed{}, err
		}
		defer func() { failed = errors.Join(failed, r.lock.release()) }()
	}
	if err := r.commits(ctx, kadm.NewClient(client)); err != nil {
		return Replayed{}, err
	}
	r.out = Replayed{Rejected: map[schema.Reason]int64{}, Samples: []LeftLetter{}}
	if r.decoders, err = OpenDecoders(r.cfg, r.schema, r.events); err != nil {
		return Replayed{}, err
	}
	r.splitter, r.decoder = r.cfg.splitter(), r.decoders.New(r.schema)
	r.limiter = rate.NewLimiter(rate.Limit(r.req.Rate), r.most())
	again := persistence{what: "insert", verdict: fateOf, breaker: newBreaker(r.cfg.Breaker, r.events), events: r.events}
	r.store = &store{events: r.events, sink: r.sink, again: again, prove: r.lock.held, bound: r.cfg.ClickHouse.InsertTimeout}
	for _, shard := range r.shards {
		r.store.receipts = append(r.store.receipts, shard)
	}
	r.out.Read, err = ReadLetters(ctx, r.cfg.Kafka, r.schema, r.req.Filter, func(l Letter) error {
		r.out.Letters++
		r.portion, r.bytes = append(r.portion, l), r.bytes+len(l.Record.Value)
		if len(r.portion) < r.most() && r.bytes < portionBytes {
			return nil
		}
		return r.flush(ctx)
	}, func(read LettersRead) { r.told(read, r.out) })
	if err == nil {
		err = r.flush(ctx)
	}
	return r.out, err
}

// most is how many letters a portion has: no more than come in a second.
func (r *replay) most() int { return max(1, min(portionLetters, int(r.req.Rate))) }

// commits learns what is promised. Above the group's commit a node, or the next
// owner, may be about to store what an earlier one rejected by another schema.
func (r *replay) commits(ctx context.Context, admin *kadm.Client) error {
	cfg := r.cfg.Kafka
	offsets, err := admin.FetchOffsets(ctx, cfg.Group)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return fmt.Errorf("offsets of group %s at %v: %w", cfg.Group, cfg.Brokers, err)
	}
	r.done = map[int32]intent.State{}
	for p, o := range offsets[cfg.Topic] {
		state, err := intent.Parse(max(0, o.At), o.Metadata)
		if err != nil {
			return fmt.Errorf("p%d: the commit of group %s is not understood, so what is stored is not known: %w", p, cfg.Group, err)
		}
		r.done[p] = state
	}
	return nil
}

// candidate is a letter that can be decoded now.
type candidate struct {
	letter Letter
	device string
	key    schema.Key
}

// flush replays the portion.
func (r *replay) flush(ctx context.Context) error {
	if len(r.portion) == 0 {
		return nil
	}
	if err := r.limiter.WaitN(ctx, len(r.portion)); err != nil {
		return err
	}
	p := portion{blocks: map[place]*schema.Block{}, of: map[schema.Origin]candidate{}}
	for _, l := range r.portion {
		if err := r.decode(ctx, &p, l); err != nil {
			return err
		}
	}
	r.portion, r.bytes = r.portion[:0], 0
	if _, err := r.store.again.do(ctx, func(ctx context.Context) error { return r.sift(ctx, &p) }); err != nil {
		return err
	}
	r.enricher.fill(&batch{blocks: p.blocks})
	for _, at := range p.inserts() {
		if err := r.insert(ctx, &p, at, p.blocks[at]); err != nil {
			return err
		}
	}
	return nil
}
