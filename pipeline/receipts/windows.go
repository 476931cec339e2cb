package receipts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/pipeline/dedup"
	"penstock/schema"
)

// Since says which of a partition's identities are wanted: those of the offsets
// [Offset, Before) that came at IngestedAt or later.
type Since struct {
	Offset, Before int64
	IngestedAt     int64 // Unix milliseconds
}

// Windows hands visit the identities of partitions, as [dedup.Window.Restore]
// takes them. Identities are put together by the server: an hour of a busy
// partition is 28 million rows, and some 60,000 blocks. An error of visit ends
// it.
func (r *Reader) Windows(ctx context.Context, from map[int32]Since, visit func(partition int32, b dedup.Block) error) error {
	columns, groups := r.blocks()
	for _, table := range r.tables {
		for chunk := range slices.Chunk(slices.Sorted(maps.Keys(from)), rangesAtOnce) {
			terms := make([]string, len(chunk))
			for i, p := range chunk {
				terms[i] = fmt.Sprintf("(%s = %d AND %s >= %d AND %s < %d AND %s >= fromUnixTimestamp64Milli(%d, 'UTC'))", partition, p, offset, from[p].Offset, offset, from[p].Before, ingestedAt, from[p].IngestedAt)
			}
			statement := fmt.Sprintf("SELECT %s, %s, toUnixTimestamp64Milli(max(%s)) FROM %s WHERE %s GROUP BY %s, %s",
				partition, columns, ingestedAt, table, strings.Join(terms, " OR "), partition, groups)
			err := r.query(ctx, "identities", statement, func(rows driver.Rows) error {
				var p int32
				var b dedup.Block
				if err := rows.Scan(r.into(&p, &b)...); err != nil {
					return err
				}
				return visit(p, b)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// blocks returns what is selected of a block, and what it is grouped by.
func (r *Reader) blocks() (columns, groups string) {
	id := r.schema.Fingerprint()
	if dedup.KindOf(r.schema) == dedup.Fingerprints {
		return id[0], id[0]
	}
	device, seq, time := id[0], id[1], schema.QuoteIdent(r.schema.Time.Field)
	groups = fmt.Sprintf("%s, intDiv(%s, %d)", device, seq, dedup.BlockNumbers)
	words := make([]string, dedup.BlockNumbers/64)
	for i := range words {
		words[i] = fmt.Sprintf("groupBitOrIf(bitShiftLeft(toUInt64(1), %s %% 64), intDiv(%[1]s, 64) %% %d = %d)", seq, len(words), i)
	}
	return fmt.Sprintf("%s, %s, toUnixTimestamp64Milli(min(%s)), toUnixTimestamp64Milli(max(%[3]s))", groups, strings.Join(words, ", "), time), groups
}

// into is where a row of what blocks selects goes.
func (r *Reader) into(p *int32, b *dedup.Block) []any {
	if dedup.KindOf(r.schema) == dedup.Fingerprints {
		return []any{p, &b.Number, &b.At}
	}
	dest := []any{p, &b.Device, &b.Number}
	for i := range b.Bits {
		dest = append(dest, &b.Bits[i])
	}
	return append(dest, &b.First, &b.Last, &b.At)
}
