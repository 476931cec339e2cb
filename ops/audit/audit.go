package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"penstock/pipeline"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// partitionsAtOnce is how many partitions are audited at the same time: enough
// to keep Kafka and ClickHouse busy in turn, few enough that they do other work.
const partitionsAtOnce = 4

// doubledMost bounds the words whose rows are counted one by one in one query.
const doubledMost = 200

// Request is what to audit.
type Request struct {
	// From and To are the ends of the time to audit, by the timestamps of
	// Kafka: from the first record at or after From to the first at or after
	// To. Records with earlier timestamps may lie among them.
	From, To time.Time
	// Window is the node's dedup.window: a resend that comes within it must not
	// be stored.
	Window time.Duration
	// View is the quoted name of the analysts' view, which shows the cold tier
	// too.
	View string
	// Decoders are those of the node's config.
	Decoders *pipeline.Decoders
}

// Progress is how far an audit has come.
type Progress struct {
	What     string
	Done, Of int64 // offsets
}

// store is what an audit asks one shard of ClickHouse: a [receipts.Reader].
type store interface {
	// Words visits what is stored of a span, 64 offsets at a time; what two
	// tables have of them comes in two visits.
	Words(ctx context.Context, of receipts.Span, visit func(word int64, set, rows uint64)) error
	// Rows returns how many rows the offsets of the spans have, of one partition
	// and a few thousand at most.
	Rows(ctx context.Context, of []receipts.Span) (map[int64]uint64, error)
	// Copies returns where in the span rows of these identities are.
	Copies(ctx context.Context, in receipts.Span, ids []schema.Identity) ([]receipts.Copy, error)
	// Everywhere returns where rows of these devices and times are, the cold
	// tier included.
	Everywhere(ctx context.Context, view string, events []receipts.Event) ([]receipts.Copy, error)
	// Repeats returns events that the span has at more than one offset, though
	// they came to Kafka within a time of each other.
	Repeats(ctx context.Context, in receipts.Span, within time.Duration) ([]receipts.Repeat, error)
	// Arrivals returns by partition the newest record time of what is stored of
	// the spans, Unix ms.
	Arrivals(ctx context.Context, of []receipts.Span) (map[int32]int64, error)
}

var _ store = (*receipts.Reader)(nil)

// run is one audit at work.
type run struct {
	stores  []store
	schema  *schema.Schema
	request Request
	trimmed bool // see letters
	// read is [source.read] of the topic.
	read func(ctx context.Context, partition int32, of Range, visit func(*kgo.Record)) error

	mu       sync.Mutex // guards what follows
	done, of int64
	progress func(Progress)
}

// Run audits a topic. The report is complete, or there is an error, such as that
// a service does not answer. Progress may be nil; it is called one at a time.
func Run(ctx context.Context, cfg pipeline.Kafka, readers []*receipts.Reader, s *schema.Schema, request Request, progress func(Progress)) (*Report, error) {
	if !request.From.Before(request.To) {
		return nil, fmt.Errorf("nothing lies from %s to %s; give a --from that is before --to", request.From.Format(time.RFC3339), request.To.Format(time.RFC3339))
	}
	if cfg.Framing == schema.Batched {
		return nil, fmt.Errorf("kafka.framing of %s is %s: which events of a record there should be is in no receipt, and the audit knows records only; "+
			"audit.every of the nodes holds what they confirmed against what is stored", cfg.Topic, cfg.Framing)
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	kafka, err := openSource(cfg)
	if err != nil {
		return nil, err
	}
	defer kafka.close()
	r := &run{schema: s, request: request, progress: progress}
	for _, reader := range readers {
		r.stores = append(r.stores, reader)
	}
	r.read = func(ctx context.Context, p int32, of Range, visit func(*kgo.Record)) error {
		var unread error // the registry refuses to tell how a record is read
		err := kafka.read(ctx, cfg.Topic, p, of, func(record *kgo.Record) {
			if unread == nil {
				unread = request.Decoders.Await(ctx, record)
			}
			if unread == nil {
				visit(record)
			}
		})
		return errors.Join(unread, err)
	}
	report := &Report{Topic: cfg.Topic, Group: cfg.Group, From: request.From, To: request.To,
		Partitions: []Partition{}, Findings: []Finding{}, Rollups: []Day{}, Notes: []string{}}
	all, err := r.limits(ctx, kafka, report)
	if err != nil {
		return nil, err
	}
	progress(Progress{What: "dead letters"})
	found, err := kafka.letters(ctx, request.From, rangesOf(all))
	if err != nil {
		return nil, err
	}
	r.trimmed = found.trimmed
	tallies, err := r.partitions(ctx, all, found.offsets)
	if err != nil {
		return nil, err
	}
	report.report(tallies)
	return report, nil
}

// limits asks Kafka for the limits of every partition; the commits first.
func (r *run) limits(ctx context.Context, kafka *source, report *Report) ([]limits, error) {
	states, notes, err := kafka.commits(ctx)
	if err != nil {
		return nil, err
	}
	report.Notes = append(report.Notes, notes...)
	lists := map[string]offsets{}
	for name, list := range map[string]func() (offsets, error){
		"start": func() (offsets, error) { return kafka.starts(ctx, kafka.cfg.Topic) },
		"from":  func() (offsets, error) { return kafka.at(ctx, kafka.cfg.Topic, r.request.From) },
		"to":    func() (offsets, error) { return kafka.at(ctx, kafka.cfg.Topic, r.request.To) },
		"lookback": func() (offsets, error) {
			return kafka.at(ctx, kafka.cfg.Topic, r.request.From.Add(-2*r.request.Window))
		},
	} {
		if lists[name], err = list(); err != nil {
			return nil, err
		}
	}
	var all []limits
	for p, start := range lists["start"] {
		l := limits{partition: p, start: start, from: lists["from"][p], to: lists["to"][p], lookback: lists["lookback"][p]}
		if state, ok := states[p]; ok {
			l.committed = &state
		}
		all = append(all, l)
	}
	return all, r.earliest(ctx, all)
}

// earliest finds where the time asked for begins in partitions of which Kafka
// no longer has the beginning: the receipts remember when records came.
func (r *run) earliest(ctx context.Context, all []limits) error {
	searches := map[int32]*search{}
	for i := range all {
		if l := &all[i]; l.start > 0 && l.from == l.start {
			l.from = 0
			searches[l.partition] = &search{Range{0, l.start}}
		}
	}
	for {
		var probes []receipts.Span
		for p, s := range searches {
			if probe := s.probe(); probe.Count() > 0 {
				probes = append(probes, receipts.Span{Partition: p, First: probe.First, Next: probe.Next})
			}
		}
		if len(probes) == 0 {
			break
		}
		newest := map[int32]int64{}
		for _, s := range r.stores {
			found, err := s.Arrivals(ctx, probes)
			if err != nil {
				return err
			}
			for p, at := range found {
				newest[p] = max(newest[p], at)
			}
		}
		for _, probe := range probes {
			searches[probe.Partition].told(newest[probe.Partition] >= r.request.From.UnixMilli())
		}
	}
	for i := range all {
		if s := searches[all[i].partition]; s != nil {
			all[i].from = s.Next
		}
	}
	return nil
}

func rangesOf(all []limits) map[int32]Range {
	ranges := map[int32]Range{}
	for _, l := range all {
		ranges[l.partition], _, _ = l.audited()
	}
	return ranges
}

// partitions audits them, some at once.
func (r *run) partitions(ctx context.Context, all []limits, letters map[int32][]int64) ([]*tally, error) {
	var tallies []*tally
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(partitionsAtOnce)
	for _, l := range all {
		t := &tally{}
		t.Partition.Partition = l.partition
		t.Range, t.Open, t.Pending = l.audited()
		r.of += t.Count()
		tallies = append(tallies, t)
	}
	for i, t := range tallies {
		if t.Count() == 0 {
			continue
		}
		e := &examiner{run: r, limits: all[i], letters: letters[t.Partition.Partition], out: t,
			decoder: r.request.Decoders.New(r.schema), block: schema.NewBlock(r.schema)}
		g.Go(func() error { return e.examine(ctx) })
	}
	return tallies, g.Wait()
}

// advance tells that so many offsets more are done.
func (r *run) advance(offsets int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += offsets
	r.progress(Progress{What: "offsets", Done: r.done, Of: r.of})
}

// bits asks every shard what is stored of a span.
func (r *run) bits(ctx context.Context, of receipts.Span) (*bitmap, error) {
	b := newBitmap(Range{of.First, of.Next})
	for _, s := range r.stores {
		if err := s.Words(ctx, of, b.add); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// confirmDoubled returns the offsets of the spans that have more than one row,
// ascending.
func (r *run) confirmDoubled(ctx context.Context, spans []receipts.Span) (doubled []int64, err error) {
	rows := map[int64]uint64{}
	for these := range slices.Chunk(spans, doubledMost) {
		for _, s := range r.stores {
			found, err := s.Rows(ctx, these)
			if err != nil {
				return nil, err
			}
			for o, n := range found {
				rows[o] += n
			}
		}
	}
	for o, n := range rows {
		if n > 1 {
			doubled = append(doubled, o)
		}
	}
	slices.Sort(doubled)
	return doubled, nil
}

// repeats returns the events that a span has more than once, the first of them.
func (r *run) repeats(ctx context.Context, of receipts.Span) (all []receipts.Repeat, err error) {
	for _, s := range r.stores {
		found, err := s.Repeats(ctx, of, r.request.Window)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b receipts.Repeat) int { return cmp.Compare(a.Last, b.Last) })
	return all, nil
}
