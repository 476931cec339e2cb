package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
	"penstock/pipeline/receipts"
)

// Config says how a running node is audited. It is the section audit of the
// node's settings. Start from [Default].
type Config struct {
	// Every is the time between two looks at what was confirmed since; 0 for
	// none. Smaller: a gap is known sooner. Larger: fewer queries. The default
	// value is one minute: a look then costs ClickHouse one query of some ten
	// milliseconds, and what is found is found while its records are still in
	// Kafka.
	Every time.Duration `koanf:"every"`
}

// Default returns the defaults.
func Default() Config { return Config{Every: time.Minute} }

// Validate reports every fault of the config.
func (c Config) Validate() error {
	if c.Every != 0 && c.Every < time.Second {
		return fmt.Errorf("audit.every is %v; want at least 1s, and rather 1m, or 0 for no audit", c.Every)
	}
	return nil
}

const (
	// spanMost bounds the offsets of a span, which ClickHouse counts the
	// distinct ones of: some 16 bytes each.
	spanMost = 1 << 20
	// spansMost bounds the spans that wait of a partition.
	spansMost = 64
	// lookMost bounds the offsets of one look. A node that confirms more is
	// audited in part: the partitions take turns, and what is left out is
	// counted as skipped.
	lookMost = 8 << 20
	// looksMost is how often a span has to look wrong until it is called so: a
	// replica may be behind, and a day on its way to the sealed table is counted
	// in both.
	looksMost = 3
)

// counter is what a watch asks: [receipts.Shards].
type counter interface {
	Counts(ctx context.Context, spans []receipts.Span) (map[receipts.Span]receipts.Count, error)
}

// claim is what a node has confirmed: of the span's offsets it stored so many.
type claim struct {
	receipts.Span
	rows  int64
	looks int // that found something else
}

// Watch holds what a node says that it stored against what is stored: for what
// it confirmed since the last look, so many rows have to be there, each of an
// offset of its own. It is a check of the node by other means than its own, at
// the cost of a query a minute; what it does not see is what the node never
// claimed. [Run] sees that too.
type Watch struct {
	counter counter
	every   time.Duration
	log     *slog.Logger
	metrics watchMetrics

	mu     sync.Mutex // guards what follows
	claims map[int32][]claim
	turn   int32 // the partition that is first at the next look
}

type watchMetrics struct {
	rows, gaps, dups, skipped, failures prometheus.Counter
	last                                prometheus.Gauge
}

// NewWatch registers the metrics, penstock_ingest_audit_*. They are counters of
// what was found since the node started, and not gauges of the last look: a
// gap that is found once must not be gone when the next scrape comes.
func NewWatch(c counter, cfg Config, reg prometheus.Registerer, log *slog.Logger) *Watch {
	count := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "penstock_ingest_audit_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	w := &Watch{counter: c, every: cfg.Every, log: log, claims: map[int32][]claim{}, metrics: watchMetrics{
		rows:     count("rows_total", "Rows that the node confirmed and the receipts were asked for."),
		gaps:     count("gap_rows_total", "Of these, rows that are not stored. Anything but 0 is a loss: run `ingest audit`."),
		dups:     count("dup_rows_total", "Rows that are stored beyond one of an offset. Anything but 0 is a double: run `ingest audit`."),
		skipped:  count("skipped_rows_total", "Rows confirmed that the receipts were not asked for, to bound the cost."),
		failures: count("failures_total", "Looks that ended in an error; what they were to see is looked at in the next."),
		last:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "penstock_ingest_audit_last_timestamp_seconds", Help: "When the last look ended, Unix time."}),
	}}
	reg.MustRegister(w.metrics.last)
	return w
}

// PipelineEvents returns the hook by which a node's claims come.
func (w *Watch) PipelineEvents() pipeline.Events {
	if w.every == 0 {
		return pipeline.Events{}
	}
	return pipeline.Events{Confirmed: w.confirmed}
}

// confirmed takes a claim. It returns at once.
func (w *Watch) confirmed(c pipeline.Confirmed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.claims[c.Partition]
	// A partition that is read at its head and in a gap has two that grow.
	if i := slices.IndexFunc(of, func(o claim) bool { return o.Next == c.First && o.looks == 0 && c.Next-o.First <= spanMost }); i >= 0 {
		of[i].Next = c.Next
		of[i].rows += int64(c.Rows)
		return
	}
	w.add(claim{Span: receipts.Span{Partition: c.Partition, First: c.First, Next: c.Next}, rows: int64(c.Rows)})
}

// add is called with mu held. Beyond the bound the oldest goes.
func (w *Watch) add(c claim) {
	of := append(w.claims[c.Partition], c)
	if len(of) > spansMost {
		w.metrics.skipped.Add(float64(of[0].rows))
		of = of[1:]
	}
	w.claims[c.Partition] = of
}

// During watches while work lasts, and returns its error.
func (w *Watch) During(work func() error) error {
	ctx, stop := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { w.Run(ctx) })
	defer watching.Wait()
	defer stop()
	return work()
}

// Run looks every so often until ctx ends. It returns at once if the watch is
// off.
func (w *Watch) Run(ctx context.Context) {
	if w.every == 0 {
		return
	}
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := w.look(ctx); err != nil && !errors.Is(err, context.Canceled) {
				w.metrics.failures.Inc()
				w.log.Warn("the audit could not look at what is stored; the next look does", "err", err)
			}
		}
	}
}

// look asks the receipts about what was confirmed.
func (w *Watch) look(ctx context.Context) error {
	claims := w.take()
	if len(claims) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.every, fmt.Errorf("no answer within audit.every, %v", w.every))
	defer cancel()
	spans := make([]receipts.Span, len(claims))
	for i, c := range claims {
		spans[i] = c.Span
	}
	found, err := w.counter.Counts(ctx, spans)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range claims {
		switch {
		case err != nil:
			w.add(c)
		case c.met(found[c.Span]):
			w.metrics.rows.Add(float64(c.rows))
		case c.looks+1 < looksMost:
			c.looks++
			w.add(c)
		default:
			w.wrong(c, found[c.Span])
		}
	}
	if err == nil {
		w.metrics.last.SetToCurrentTime()
	}
	return err
}

// met reports whether what is stored is what was claimed. More offsets than
// were claimed are no fault here: a batch that was settled after a crash may
// have stored rows that its new owner knows only as stored.
func (c claim) met(stored receipts.Count) bool {
	return int64(stored.Distinct) >= c.rows && stored.Rows == stored.Distinct
}

func (w *Watch) wrong(c claim, stored receipts.Count) {
	gap := max(0, c.rows-int64(stored.Distinct))
	dup := stored.Rows - stored.Distinct
	w.metrics.rows.Add(float64(c.rows))
	w.metrics.gaps.Add(float64(gap))
	w.metrics.dups.Add(float64(dup))
	w.log.Error("what is stored is not what was confirmed; `ingest audit` names the offsets",
		"partition", c.Partition, "first", c.First, "next", c.Next, "confirmed", c.rows, "missing", gap, "doubled", dup)
}

// take removes the claims to look at: all of them, or as many as the bound
// allows. The partition whose turn it is comes first.
func (w *Watch) take() (claims []claim) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var offsets int64
	order := w.order()
	next := w.turn
	for _, p := range order {
		for _, c := range w.claims[p] {
			if n := c.Next - c.First; offsets+n <= lookMost || len(claims) == 0 {
				offsets += n
				claims = append(claims, c)
				next = p + 1
			} else {
				w.metrics.skipped.Add(float64(c.rows))
			}
		}
	}
	w.turn = next
	clear(w.claims)
	return claims
}

// order returns the partitions with claims, from the one whose turn it is on.
// It is called with mu held.
func (w *Watch) order() []int32 {
	all := slices.Sorted(maps.Keys(w.claims))
	first, _ := slices.BinarySearch(all, w.turn)
	return append(all[first:len(all):len(all)], all[:first]...)
}
