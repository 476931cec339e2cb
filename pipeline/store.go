package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/failpoint"
	"penstock/pipeline/dedup"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// store stores what is declared: it dead-letters rejects and inserts rows. It
// is used by one goroutine.
type store struct {
	lane     int
	events   Events
	sink     sink
	receipts []stored // by shard
	letters  deadLetters
	rejects  *rejectGuard
	again    persistence // for inserts
	// reread returns the event as a reject without a reason.
	reread func(ctx context.Context, of schema.Origin) (reject, error)
	// prove returns nil once more is known to be so what let the rows be inserted:
	// that they are nobody else's to store.
	prove func(ctx context.Context) error
	// bound is how long an attempt of an insert may take at most, and how long
	// after a proof it may begin.
	bound time.Duration
}

// stragglers is how much later than its sender gives it up the server may begin an
// insert, or end it.
const stragglers = 5 * time.Second

// lifetime is how long after a proof an attempt that it allows may have an effect.
func (s *store) lifetime() time.Duration { return 2*s.bound + stragglers }

// stored is what ClickHouse says is stored; [receipts.Reader] is one.
type stored interface {
	Stored(ctx context.Context, spans []receipts.Span) (receipts.Origins, error)
	Last(ctx context.Context, from map[int32]int64) (map[int32]receipts.Last, error)
	Windows(ctx context.Context, from map[int32]receipts.Since, visit func(partition int32, b dedup.Block) error) error
	Copies(ctx context.Context, in receipts.Span, ids []schema.Identity) ([]receipts.Copy, error)
	Inserting(ctx context.Context, token string) (bool, error)
	Close() error
}

// outcome is what became of a batch: stored, but for rows that the server
// refused one by one, or stored in part.
type outcome struct {
	batch    *batch
	rejected []schema.Origin // dead-lettered
	// left: rows are left to be stored under another id. The server refuses
	// them together with others, or those with them, and the id's token may be
	// spent.
	left bool
	took time.Duration // each of its inserts, in the mean
}

// run stores batches until ctx ends.
func (s *store) run(ctx context.Context, todo <-chan *batch, done chan<- outcome) (err error) {
	defer func() { err = errors.Join(err, s.sink.Close()) }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-todo:
			o, err := s.store(ctx, b)
			if err != nil {
				if ended(ctx, err) {
					return nil
				}
				return err
			}
			done <- o // has room for the batches of all stores
		}
	}
}

// store dead-letters the batch's rejects and inserts its rows, however long it
// takes. It leaves in the batch what has to be stored under another id.
func (s *store) store(ctx context.Context, b *batch) (outcome, error) {
	o := outcome{batch: b}
	if err := s.letters.send(ctx, b.rejects); err != nil {
		return o, err
	}
	b.forgetRejects()
	begun, inserts := time.Now(), b.inserts()
	for _, at := range inserts {
		// Nobody has sent these rows under this token before: whoever settles them
		// comes after this node.
		t, err := s.insertSome(ctx, &b.inquiry, b.id, at, b.blocks[at], true)
		if err != nil {
			return o, err
		}
		o.rejected = append(o.rejected, t.rejected...)
		if t.left == nil {
			b.done(at)
			continue
		}
		o.left = true
		b.blocks[at] = t.left
	}
	o.took = time.Since(begun) / time.Duration(max(1, len(inserts)))
	return o, nil
}

// taking is what an insert's rows came to.
type taking struct {
	left     *schema.Block   // needs another token, since this one is spent; nil for nothing
	rejected []schema.Origin // dead-lettered
	// unspent: the server refused each row alone, and none was dead-lettered.
	unspent bool
}

// insertSome inserts the rows under the token, or, if the server refuses them
// together, as many of the first as it takes: it does not say which row is at
// fault. A row that is refused alone is dead-lettered, if it cannot be stored
// later: since the token is spent by others of its place, or since this node is
// alone in having sent it.
//
// Unless the rows were taken whole, and every attempt was answered, that they
// are stored is for the receipts to say, of all of them: a copy of an attempt
// with more rows may have come first.
func (s *store) insertSome(ctx context.Context, q *inquiry, token string, at place, rows *schema.Block, alone bool) (out taking, err error) {
	whole := rows
	var refused []refusal
	for n := whole.Rows(); n > 0; {
		some := rows
		if n < rows.Rows() {
			some = rows.Slice(0, n)
		}
		sure, err := s.insert(ctx, q, token, at, some)
		switch {
		case err == nil && sure && n == whole.Rows():
			return out, nil
		case err == nil:
			return s.taken(ctx, out.rejected, at, whole, refused)
		case ctx.Err() != nil || !s.isRefusal(err):
			return out, err
		case n == 1:
			if r := (refusal{some, err}); !alone {
				refused = append(refused, r)
			} else if err := s.reject(ctx, &out, r); err != nil {
				return out, err
			}
			rows = rows.Slice(1, rows.Rows())
			n = rows.Rows()
		default:
			n /= 2
		}
	}
	out.unspent = !alone
	return out, nil
}

// taken says what has become of the whole, of which the server took some and some were
// rejected. Also of rows that were refused alone: an earlier attempt may have stored
// them after all.
func (s *store) taken(ctx context.Context, rejected []schema.Origin, at place, whole *schema.Block, refused []refusal) (taking, error) {
	out := taking{rejected: rejected}
	var missing *schema.Block
	if _, err := s.again.do(ctx, func(ctx context.Context) (err error) {
		missing, err = s.missing(ctx, at.shard, whole)
		return err
	}); err != nil {
		return out, err
	}
	left := map[schema.Origin]bool{}
	for i := range missing.Rows() {
		left[missing.Origin(i)] = true
	}
	refused = slices.DeleteFunc(refused, func(r refusal) bool { return !left[r.row.Origin(0)] })
	err := s.reject(ctx, &out, refused...)
	for _, o := range out.rejected {
		delete(left, o)
	}
	if len(left) > 0 {
		out.left = missing.Where(func(o schema.Origin) bool { return left[o] })
	}
	return out, err
}

// refusal is a row that the server refuses alone.
type refusal struct {
	row *schema.Block
	why error
}

// reject dead-letters rows.
func (s *store) reject(ctx context.Context, out *taking, all ...refusal) error {
	for _, r := range all {
		if err := s.refused(ctx, r.row, r.why); err != nil {
			return err
		}
		out.rejected = append(out.rejected, r.row.Origin(0))
	}
	return nil
}

// inquiry is when the receipts have to be asked of a batch before it is inserted.
type inquiry struct {
	// unanswered are the places of which an attempt had no answer.
	unanswered map[place]bool
	// at is when the commit was sent that Kafka accepted last: not when its answer
	// came, between which and that another owner may have come.
	at time.Time
}

// stale says that too much may have happened since the last proof: the rows may
// be another's, and a token of the batch spent and forgotten, since ClickHouse
// remembers a number of tokens, not a time. A node that was stopped and goes on is
// the case that no answer tells.
func (q *inquiry) stale(bound time.Duration) bool { return time.Since(q.at) > bound }

func (s *store) isRefusal(err error) bool {
	f, _ := s.again.verdict(err)
	return f == refuse
}

// insert has the rows of one place stored under the token, or their token spent:
// sure says that it is the first. An answer that did not come may have been a
// yes, so every repetition first asks the receipts. And what is acknowledged to
// a repetition may be no more than that the token is spent.
func (s *store) insert(ctx context.Context, q *inquiry, token string, at place, rows *schema.Block) (sure bool, err error) {
	began, left, found := time.Now(), rows, false
	again := s.again
	again.batch = token
	attempts, err := again.do(ctx, func(ctx context.Context) (err error) {
		ask := len(q.unanswered) > 0
		if q.stale(s.bound) {
			proving := time.Now()
			if err := s.prove(ctx); err != nil {
				return fmt.Errorf("%w: %w", errUnproven, err)
			}
			ask, q.at = true, proving
		}
		if ask && !failpoint.Off("receipts") {
			still, err := s.missing(ctx, at.shard, left)
			if err != nil {
				return err
			}
			if left, found = still, still.Rows() == 0; found {
				return nil
			}
			if q.stale(s.bound) { // the receipts took that long
				return errLate
			}
		}
		sure = !q.unanswered[at]
		attempt, cancel := context.WithDeadlineCause(ctx, q.at.Add(2*s.bound), errLate)
		defer cancel()
		err = s.sink.Insert(attempt, at.shard, token, left)
		refusal := err != nil && s.isRefusal(err)
		if refusal && q.unanswered[at] {
			// What has not been answered may be stored yet, and fewer rows
			// under its token would be taken for it.
			return fmt.Errorf("%w: refused, but an earlier attempt was not answered: %w", errDoubt, err)
		}
		if err != nil && !refusal && !errors.Is(err, errNotSent) {
			if q.unanswered == nil {
				q.unanswered = map[place]bool{}
			}
			q.unanswered[at] = true
		}
		return err
	})
	if err != nil {
		return false, err
	}
	s.events.Inserted(Inserted{Batch: token, Lane: s.lane, Day: at.day, Rows: rows.Rows(), Bytes: rows.Bytes(), Attempts: attempts, Found: found, Took: time.Since(began)})
	return sure && !found, nil
}

// errUnproven: whoever had the rows to store may not have them any more.
var errUnproven = errors.New("whether the rows are still to be stored here")

// errLate: an attempt that would begin too long after its proof, or is under way too long
// after it.
var errLate = errors.New("too late after Kafka was asked whether the rows are this node's: clickhouse.insert_timeout has passed")

// missing returns those of the rows that the receipts do not show.
func (s *store) missing(ctx context.Context, shard int, rows *schema.Block) (*schema.Block, error) {
	var spans []receipts.Span
	for p, s := range spansOf(rows) {
		spans = append(spans, receipts.Span{Partition: p, First: s.first, Next: s.next})
	}
	have, err := s.receipts[shard].Stored(ctx, spans)
	if err != nil {
		return nil, fmt.Errorf("which of %d rows are stored: %w", rows.Rows(), err)
	}
	return rows.Where(func(o schema.Origin) bool { return !have.Has(o) }), nil
}

// spansOf returns the offsets that the rows lie within, by partition.
func spansOf(rows *schema.Block) map[int32]span {
	spans := map[int32]span{}
	for i := range rows.Rows() {
		o := rows.Origin(i)
		s, ok := spans[o.Partition]
		if !ok {
			s = span{first: o.Offset, next: o.Offset + 1}
		}
		s.first, s.next = min(s.first, o.Offset), max(s.next, o.Offset+1)
		spans[o.Partition] = s
	}
	return spans
}

// refused dead-letters the one row of rows, which the server refuses.
func (s *store) refused(ctx context.Context, rows *schema.Block, why error) error {
	at := rows.Origin(0)
	var event reject
	rereads := persistence{what: "dead-letter", verdict: fateOf, events: s.events}
	if _, err := rereads.do(ctx, func(ctx context.Context) (err error) {
		event, err = s.reread(ctx, at)
		return err
	}); err != nil {
		return fmt.Errorf("%w; ClickHouse refused it: %w", err, why)
	}
	event.why = &schema.Rejection{Reason: schema.ReasonRefused, Detail: why.Error()}
	s.events.Rejected(Rejected{Partition: at.Partition, Offset: at.Offset, Rejection: event.why})
	all := []reject{event}
	if err := s.rejects.take(0, all); err != nil { // of records that were counted
		return err
	}
	return s.letters.send(ctx, all)
}
