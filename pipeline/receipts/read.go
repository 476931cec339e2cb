package receipts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

var (
	partition  = schema.QuoteIdent(schema.ColPartition)
	offset     = schema.QuoteIdent(schema.ColOffset)
	index      = schema.QuoteIdent(schema.ColIndex)
	ingestedAt = schema.QuoteIdent(schema.ColIngestedAt)
)

// rangesAtOnce is how many ranges of offsets one statement names. It keeps a
// statement well under the 256 kB of max_query_size, and has room for all
// partitions of a node.
const rangesAtOnce = 256

// within is the condition that a row is of one of spans.
func within(spans []Span) string {
	terms := make([]string, len(spans))
	for i, s := range spans {
		terms[i] = fmt.Sprintf("(%s = %d AND %s >= %d AND %s < %d)", partition, s.Partition, offset, s.First, offset, s.Next)
	}
	return strings.Join(terms, " OR ")
}

// Stored returns where the stored rows of spans come from. Spans are those of a
// batch: the answer has a row for each of them, some 100,000 at most.
func (r *Reader) Stored(ctx context.Context, spans []Span) (Origins, error) {
	var found []schema.Origin
	for _, table := range r.tables {
		for chunk := range slices.Chunk(spans, rangesAtOnce) {
			statement := fmt.Sprintf("SELECT DISTINCT %s, %s, %s FROM %s WHERE %s", partition, offset, index, table, within(chunk))
			err := r.query(ctx, "stored origins", statement, func(rows driver.Rows) error {
				var o schema.Origin
				if err := rows.Scan(&o.Partition, &o.Offset, &o.Index); err != nil {
					return err
				}
				found = append(found, o)
				return nil
			})
			if err != nil {
				return Origins{}, err
			}
		}
	}
	return NewOrigins(found), nil
}

// Last is the end of what is stored of a partition.
type Last struct {
	// Offset is the greatest that is stored.
	Offset int64
	// IngestedAt is the newest record time of what is stored, in Unix
	// milliseconds; not always that of Offset.
	IngestedAt int64
}

// Last returns the end of what is stored of each partition, looking at offsets
// from the one given on. A partition of which nothing is stored is absent.
func (r *Reader) Last(ctx context.Context, from map[int32]int64) (map[int32]Last, error) {
	out := map[int32]Last{}
	for _, table := range r.tables {
		for chunk := range slices.Chunk(slices.Sorted(maps.Keys(from)), rangesAtOnce) {
			terms := make([]string, len(chunk))
			for i, p := range chunk {
				terms[i] = fmt.Sprintf("(%s = %d AND %s >= %d)", partition, p, offset, from[p])
			}
			statement := fmt.Sprintf("SELECT %s, max(%s), toUnixTimestamp64Milli(max(%s)) FROM %s WHERE %s GROUP BY %[1]s",
				partition, offset, ingestedAt, table, strings.Join(terms, " OR "))
			err := r.query(ctx, "last offsets", statement, func(rows driver.Rows) error {
				var p int32
				var last Last
				if err := rows.Scan(&p, &last.Offset, &last.IngestedAt); err != nil {
					return err
				}
				if known, ok := out[p]; ok {
					last.Offset, last.IngestedAt = max(last.Offset, known.Offset), max(last.IngestedAt, known.IngestedAt)
				}
				out[p] = last
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
