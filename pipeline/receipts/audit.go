package receipts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// Words visits what is stored of a span as bits: the n-th word is the offsets
// from 64n on, the lowest bit the first of them, and rows is how many rows have
// one of these. What two tables hold of a word comes in two visits.
func (r *Reader) Words(ctx context.Context, of Span, visit func(word int64, set, rows uint64)) error {
	for _, table := range r.tables {
		statement := fmt.Sprintf("SELECT intDiv(%s, 64) AS word, groupBitOr(bitShiftLeft(toUInt64(1), toUInt8(%[1]s %% 64))), count() FROM %s WHERE %s GROUP BY word",
			offset, table, within([]Span{of}))
		err := r.query(ctx, "words of offsets", statement, func(rows driver.Rows) error {
			var word int64
			var set, n uint64
			if err := rows.Scan(&word, &set, &n); err != nil {
				return err
			}
			visit(word, set, n)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Rows returns how many rows each stored offset of the spans has; they are of
// one partition, and some 10,000 offsets at most. Here the sealed table is read
// first: a row of a day that moves in between may be missed, and is counted
// again in time, but none is counted twice.
func (r *Reader) Rows(ctx context.Context, of []Span) (map[int64]uint64, error) {
	found := map[int64]uint64{}
	for _, table := range slices.Backward(r.tables[:]) {
		for chunk := range slices.Chunk(of, rangesAtOnce) {
			statement := fmt.Sprintf("SELECT %s, count() FROM %s WHERE %s GROUP BY %[1]s", offset, table, within(chunk))
			err := r.query(ctx, "rows of offsets", statement, func(rows driver.Rows) error {
				var o int64
				var n uint64
				if err := rows.Scan(&o, &n); err != nil {
					return err
				}
				found[o] += n
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// Arrivals returns the newest record time, in Unix milliseconds, of what is
// stored of each span. A span of which nothing is stored is absent.
func (r *Reader) Arrivals(ctx context.Context, of []Span) (map[int32]int64, error) {
	found := map[int32]int64{}
	for _, table := range r.tables {
		for chunk := range slices.Chunk(of, rangesAtOnce) {
			statement := fmt.Sprintf("SELECT %s, toUnixTimestamp64Milli(max(%s)) FROM %s WHERE %s GROUP BY %[1]s", partition, ingestedAt, table, within(chunk))
			err := r.query(ctx, "record times", statement, func(rows driver.Rows) error {
				var p int32
				var at int64
				if err := rows.Scan(&p, &at); err != nil {
					return err
				}
				found[p] = max(found[p], at)
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// Days returns the days that the events of the spans are of, in order.
func (r *Reader) Days(ctx context.Context, of []Span) ([]schema.Day, error) {
	found := map[schema.Day]bool{}
	for _, table := range r.tables {
		for chunk := range slices.Chunk(of, rangesAtOnce) {
			statement := fmt.Sprintf("SELECT DISTINCT toInt32(toDate(%s)) FROM %s WHERE %s", schema.QuoteIdent(r.schema.Time.Field), table, within(chunk))
			err := r.query(ctx, "days", statement, func(rows driver.Rows) error {
				var day int32
				if err := rows.Scan(&day); err != nil {
					return err
				}
				found[schema.Day(day)] = true
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// Copy is one stored row of an event.
type Copy struct {
	Identity schema.Identity
	Time     int64 // the event's own, Unix milliseconds
	schema.Origin
}

// copyColumns are the columns of a Copy, and the names of the identity's.
func (r *Reader) copyColumns() (columns string, id []string) {
	id = r.schema.Fingerprint()
	device := "toUInt64(0)"
	if len(id) == 2 {
		device = id[0]
	}
	return fmt.Sprintf("%s, %s, toUnixTimestamp64Milli(%s), %s, %s, %s", device, id[len(id)-1], schema.QuoteIdent(r.schema.Time.Field), partition, offset, index), id
}

func scanCopy(into *[]Copy) func(driver.Rows) error {
	return func(rows driver.Rows) error {
		var c Copy
		if err := rows.Scan(&c.Identity.Device, &c.Identity.Seq, &c.Time, &c.Partition, &c.Offset, &c.Index); err != nil {
			return err
		}
		*into = append(*into, c)
		return nil
	}
}

// Copies returns the rows of a span that have one of these identities, of which
// there are a few thousand at most. A row may be there twice.
func (r *Reader) Copies(ctx context.Context, in Span, ids []schema.Identity) (found []Copy, err error) {
	columns, id := r.copyColumns()
	wanted := make([]string, len(ids))
	for i, one := range ids {
		if wanted[i] = fmt.Sprint(one.Seq); len(id) == 2 {
			wanted[i] = fmt.Sprintf("(%d,%d)", one.Device, one.Seq)
		}
	}
	for _, table := range r.tables {
		statement := fmt.Sprintf("SELECT %s FROM %s WHERE (%s) AND (%s) IN (%s)", columns, table, within([]Span{in}), strings.Join(id, ", "), strings.Join(wanted, ","))
		if err := r.query(ctx, "copies", statement, scanCopy(&found)); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Event is a device and the time of an event of it, Unix milliseconds.
type Event struct {
	Device string
	Time   int64
}

// Everywhere returns the rows of events, and of others of these devices and
// times, that a view shows, such as the analysts' with its cold tier.
func (r *Reader) Everywhere(ctx context.Context, view string, events []Event) (found []Copy, err error) {
	columns, _ := r.copyColumns()
	devices, times := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		devices[schema.QuoteString(e.Device)] = true
		times[fmt.Sprintf("fromUnixTimestamp64Milli(%d, 'UTC')", e.Time)] = true
	}
	list := func(of map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(of)), ",") }
	statement := fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (%s) AND %s IN (%s)", columns, view,
		schema.QuoteIdent(r.schema.Device), list(devices), schema.QuoteIdent(r.schema.Time.Field), list(times))
	wide := *r
	wide.settings = maps.Clone(r.settings)
	wide.settings["max_query_size"] = 64 << 20 // a device's name may be as long as a record
	return found, wide.query(ctx, "events everywhere", statement, scanCopy(&found))
}

// Repeat is an event that is stored at more than one offset.
type Repeat struct {
	First, Last int64 // the lowest and the highest of its offsets
	Offsets     uint64
	Apart       time.Duration // between the record times of both
}

const (
	// repeatRows is about how many rows are grouped by their event at once: some
	// 350 bytes of the server's memory each.
	repeatRows = 1 << 20
	// repeatsMost is how many events are returned of each such group.
	repeatsMost = 1_000
)

// Repeats returns events that a span has at more than one offset, if two of
// these came to Kafka within a time of each other. Of very many it returns some.
// A span is some million offsets: its events are counted first, which takes 50
// bytes a row, and grouped only if they are fewer than its rows.
func (r *Reader) Repeats(ctx context.Context, in Span, within time.Duration) (found []Repeat, err error) {
	var events, offsets uint64
	statement := fmt.Sprintf("SELECT uniqExact(cityHash64(id, at)), uniqExact(o) FROM (%s)", r.events(in, 0, 1))
	err = r.query(ctx, "events", statement, func(rows driver.Rows) error { return rows.Scan(&events, &offsets) })
	if err != nil || events == offsets {
		return nil, err
	}
	groups := (in.Next-in.First)/repeatRows + 1
	for group := range groups {
		// Of n offsets two neighbours are no further apart than all are over n-1.
		statement := fmt.Sprintf("SELECT min(o), max(o), uniqExact(o) AS offsets, toInt64(abs(argMax(came, o) - argMin(came, o))) AS apart FROM (%s) "+
			"GROUP BY id, at HAVING min(o) < max(o) AND apart <= %d * toInt64(offsets - 1) ORDER BY max(o) LIMIT %d",
			r.events(in, group, groups), within.Milliseconds(), repeatsMost)
		err := r.query(ctx, "repeated events", statement, func(rows driver.Rows) error {
			var one Repeat
			var apart int64
			if err := rows.Scan(&one.First, &one.Last, &one.Offsets, &apart); err != nil {
				return err
			}
			one.Apart = time.Duration(apart) * time.Millisecond
			found = append(found, one)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// events is the event and the offset of each row of a span, or of one of so many
// groups of them. Both tables are asked at once: a row that a move lets appear
// in both has the same offset in both.
func (r *Reader) events(in Span, group, groups int64) string {
	id := r.schema.Fingerprint()
	rows := make([]string, len(r.tables))
	for i, table := range r.tables {
		rows[i] = fmt.Sprintf("SELECT (%s) AS id, %s AS at, %s AS o, toUnixTimestamp64Milli(%s) AS came FROM %s WHERE (%s) AND %s %% %d = %d",
			strings.Join(id, ", "), schema.QuoteIdent(r.schema.Time.Field), offset, ingestedAt, table, within([]Span{in}), id[len(id)-1], groups, group)
	}
	return strings.Join(rows, " UNION ALL ")
}
