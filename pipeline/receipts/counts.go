package receipts

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Count is what is stored of a span.
type Count struct {
	// Rows is how many rows are stored, Distinct how many origins they have:
	// they differ where an event is stored twice.
	Rows, Distinct uint64
}

// Distinct origins are counted exactly, with a set in the server's memory: some
// 25 bytes a row. So a longer span is counted piece by piece.
const (
	countAtOnce = 8 << 20 // offsets of one statement
	countTries  = 5
)

// Counts returns what is stored of each span. Rows of the spans that are
// inserted meanwhile may be counted or not, and if they never cease to come it
// is an error: audit what is committed.
//
// A record stored twice may have a row in the hot table and one in the sealed,
// so both are counted by one statement. Whether that saw each row once is known
// from the hot table's count: if it is the same before and after, no day was
// sealed meanwhile.
func (r *Reader) Counts(ctx context.Context, spans []Span) (map[Span]Count, error) {
	out := map[Span]Count{}
	for _, s := range spans {
		out[s] = Count{}
	}
	for _, pieces := range pack(maps.Keys(out), countAtOnce) {
		counts, err := r.count(ctx, pieces)
		if err != nil {
			return nil, err
		}
		for _, p := range pieces {
			c, more := out[p.of], counts[p.Partition]
			out[p.of] = Count{Rows: c.Rows + more.Rows, Distinct: c.Distinct + more.Distinct}
		}
	}
	return out, nil
}

// event is where in a partition a row comes from, as one number: offsets are below
// 2^48 for any topic that can exist. A set of numbers takes the server half of
// what one of tuples does.
var event = fmt.Sprintf("bitShiftLeft(toUInt64(%s), 16) + %s", offset, index)

// count counts pieces, of which each is of another partition.
func (r *Reader) count(ctx context.Context, pieces []piece) (map[int32]Count, error) {
	spans := make([]Span, len(pieces))
	for i, p := range pieces {
		spans[i] = p.Span
	}
	where := within(spans)
	hot := fmt.Sprintf("SELECT %s, count(), toUInt64(0) FROM %s WHERE %s GROUP BY %[1]s", partition, r.tables[0], where)
	both := make([]string, len(r.tables))
	for i, table := range r.tables {
		both[i] = fmt.Sprintf("SELECT %s, %s AS event FROM %s WHERE %s", partition, event, table, where)
	}
	all := fmt.Sprintf("SELECT %s, count(), uniqExact(event) FROM (%s) GROUP BY %[1]s", partition, strings.Join(both, " UNION ALL "))

	before, err := r.countBy(ctx, hot)
	if err != nil {
		return nil, err
	}
	for range countTries {
		counts, err := r.countBy(ctx, all)
		if err != nil {
			return nil, err
		}
		after, err := r.countBy(ctx, hot)
		if err != nil {
			return nil, err
		}
		if maps.Equal(before, after) {
			return counts, nil
		}
		before = after
	}
	return nil, fmt.Errorf("receipts at %s: count rows: the hot table's changed during each of %d counts; count only offsets that are committed", r.address, countTries)
}

func (r *Reader) countBy(ctx context.Context, statement string) (map[int32]Count, error) {
	out := map[int32]Count{}
	return out, r.query(ctx, "counts", statement, func(rows driver.Rows) error {
		var p int32
		var c Count
		if err := rows.Scan(&p, &c.Rows, &c.Distinct); err != nil {
			return err
		}
		out[p] = c
		return nil
	})
}
