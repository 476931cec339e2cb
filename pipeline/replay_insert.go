package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"

	"penstock/schema"
)

// originsOf returns the origins of rows that left has not.
func originsOf(rows, left *schema.Block) iter.Seq[schema.Origin] {
	have := map[schema.Origin]bool{}
	for i := range left.Rows() {
		have[left.Origin(i)] = true
	}
	return func(yield func(schema.Origin) bool) {
		for i := range rows.Rows() {
			if o := rows.Origin(i); !have[o] && !yield(o) {
				return
			}
		}
	}
}

// missing returns those of the rows that no shard has: the partition may have
// been another's when they came.
func (r *replay) missing(ctx context.Context, rows *schema.Block) (*schema.Block, error) {
	for shard := range r.shards {
		if rows.Rows() == 0 {
			break
		}
		var err error
		if rows, err = r.store.missing(ctx, shard, rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// insertTries is how often rows are inserted that the receipts do not show
// afterwards.
const insertTries = 5

// replayToken names an insert by the records of its rows. Two replays that find
// the same letters to be stored use the same, so that the second inserts nothing.
func replayToken(topic string, rows *schema.Block, try int) string {
	origins := make([]schema.Origin, rows.Rows())
	for i := range origins {
		origins[i] = rows.Origin(i)
	}
	slices.SortFunc(origins, schema.Origin.Compare)
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", topic)
	for _, o := range origins {
		fmt.Fprintf(h, "%d@%d.%d\n", o.Partition, o.Offset, o.Index)
	}
	return fmt.Sprintf("dlq-%s-%d", hex.EncodeToString(h.Sum(nil)[:16]), try)
}

// insert stores the rows of one place, and counts them. Rows that the server
// refuses together are halved down to those at fault, which are rejected still.
//
// That they are stored is for the receipts to say: an insert whose token is spent
// is acknowledged too, and the token of one that broke off may be.
func (r *replay) insert(ctx context.Context, p *portion, at place, rows *schema.Block) error {
	if r.req.DryRun {
		r.out.Stored += int64(rows.Rows())
		return nil
	}
	left := rows
	for try := range insertTries {
		_, err := r.store.insert(ctx, &inquiry{}, replayToken(r.cfg.Kafka.Topic, left, try), at, left)
		switch {
		case err == nil:
		case ctx.Err() != nil || !r.store.isRefusal(err):
			return err
		case rows.Rows() == 1:
			r.out.Rejected[schema.ReasonRefused]++
			r.out.left(p.of[rows.Origin(0)].letter, string(schema.ReasonRefused), err.Error())
			return nil
		default:
			if err := r.insert(ctx, p, at, rows.Slice(0, rows.Rows()/2)); err != nil {
				return err
			}
			return r.insert(ctx, p, at, rows.Slice(rows.Rows()/2, rows.Rows()))
		}
		if _, err := r.store.again.do(ctx, func(ctx context.Context) error {
			left, err = r.missing(ctx, rows)
			return err
		}); err != nil {
			return err
		}
		if left.Rows() == 0 {
			r.out.Stored += int64(rows.Rows())
			return nil
		}
	}
	return fmt.Errorf("%d of %d rows are not stored after %d inserts that ClickHouse acknowledged; look into its log, and replay again", left.Rows(), rows.Rows(), insertTries)
}
