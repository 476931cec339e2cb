package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/dedup"
	"penstock/pipeline/failpoint"
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
	again    persistence // for inserts
	reread   func(ctx context.Context, partition int32, offset int64) (*kgo.Record, error)
}

// stored is what ClickHouse says is stored; [receipts.Reader] is one.
type stored interface {
	Stored(ctx context.Context, spans []receipts.Span) (receipts.Offsets, error)
	Last(ctx context.Context, from map[int32]int64) (map[int32]receipts.Last, error)
	Windows(ctx context.Context, from map[int32]receipts.Since, visit func(partition int32, b dedup.Block) error) error
	Close() error
}

// outcome is what became of a batch: stored, but for rows that the server
// refused one by one, or stored in part.
type outcome struct {
	batch    *batch
	rejected []origin // dead-lettered
	// left: rows are left to be stored under another id. The server refuses
	// them together with others, or those with them, and the id's token may be
	// spent.
	left bool
}

// origin is where a record stands in Kafka.
type origin struct {
	partition int32
	offset    int64
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
	for _, at := range b.inserts() {
		left, rejected, err := s.insertSome(ctx, b.id, at, b.blocks[at])
		if err != nil {
			return o, err
		}
		o.rejected = append(o.rejected, rejected...)
		o.left = o.left || left.Rows() > 0
		b.blocks[at] = left
	}
	return o, nil
}

// insertSome inserts the rows under the token, or, if the server refuses them
// together, as many of the first as it takes: it does not say which row is at
// fault. A row that is refused alone is dead-lettered. What is left, with what is
// missing as of insert, needs another token, since this one is spent.
func (s *store) insertSome(ctx context.Context, token string, at place, rows *schema.Block) (left *schema.Block, rejected []origin, err error) {
	all := rows.Rows()
	for n := all; n > 0; {
		some := rows
		if n < rows.Rows() {
			some = rows.Slice(0, n)
		}
		missing, err := s.insert(ctx, token, at, some, n < all)
		switch {
		case err == nil:
			left = rows.Slice(n, rows.Rows())
			missing.AppendTo(left)
			return left, rejected, nil
		case ctx.Err() != nil || !s.isRefusal(err):
			return nil, nil, err
		case n == 1:
			if err := s.refused(ctx, some, err); err != nil {
				return nil, nil, err
			}
			partition, offset := some.Origin(0)
			rejected = append(rejected, origin{partition, offset})
			rows = rows.Slice(1, rows.Rows())
			n = rows.Rows()
		default:
			n /= 2
		}
	}
	return rows, rejected, nil
}

func (s *store) isRefusal(err error) bool {
	f, _ := s.again.verdict(err)
	return f == refuse
}

// insert has the rows of one place stored under the token. An answer that did
// not come may have been a yes, so every repetition first asks the receipts: the
// server forgets tokens. And what it acknowledges to a repetition may be no more
// than that the token is spent, so the receipts are asked once more after it; so
// they are if the token was used before for more rows than these. insert returns
// the rows that are missing then.
func (s *store) insert(ctx context.Context, token string, at place, rows *schema.Block, used bool) (missing *schema.Block, err error) {
	began, left, doubtful, found := time.Now(), rows, false, false
	attempts, err := s.again.do(ctx, func(ctx context.Context) (err error) {
		repeated := doubtful
		if repeated {
			if left, err = s.missing(ctx, at.shard, left); err != nil {
				return err
			}
			if found = left.Rows() == 0; found {
				missing = left
				return nil
			}
		}
		err = s.sink.Insert(ctx, at.shard, token, left)
		doubtful = doubtful || err != nil && !failpoint.Off("receipts")
		switch {
		case err == nil && (repeated || used):
			missing, err = s.missing(ctx, at.shard, left)
		case err == nil:
			missing = left.Slice(0, 0)
		case repeated && s.isRefusal(err):
			// What has not been answered may be stored yet, and fewer rows
			// under its token would be taken for it.
			return fmt.Errorf("%w: refused, but an earlier attempt was not answered: %w", errDoubt, err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.events.Inserted(Inserted{Lane: s.lane, Day: at.day, Rows: rows.Rows(), Bytes: rows.Bytes(), Attempts: attempts, Found: found, Took: time.Since(began)})
	return missing, nil
}

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
	return rows.Where(func(p int32, offset int64) bool { return !have.Has(p, offset) }), nil
}

// spansOf returns the offsets that the rows lie within, by partition.
func spansOf(rows *schema.Block) map[int32]span {
	spans := map[int32]span{}
	for i := range rows.Rows() {
		p, offset := rows.Origin(i)
		s, ok := spans[p]
		if !ok {
			s = span{first: offset, next: offset + 1}
		}
		s.first, s.next = min(s.first, offset), max(s.next, offset+1)
		spans[p] = s
	}
	return spans
}

// refused dead-letters the one row of rows, which the server refuses.
func (s *store) refused(ctx context.Context, rows *schema.Block, why error) error {
	partition, offset := rows.Origin(0)
	var record *kgo.Record
	rereads := persistence{what: "dead-letter", verdict: fateOf, events: s.events}
	if _, err := rereads.do(ctx, func(ctx context.Context) (err error) {
		record, err = s.reread(ctx, partition, offset)
		return err
	}); err != nil {
		return fmt.Errorf("%w; ClickHouse refused it: %w", err, why)
	}
	rejection := &schema.Rejection{Reason: schema.ReasonRefused, Detail: why.Error()}
	s.events.Rejected(Rejected{Partition: partition, Offset: offset, Rejection: rejection})
	return s.letters.send(ctx, []reject{{record, rejection}})
}
