package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"penstock/pipeline/receipts"
	"penstock/schema"
)

// world is a partition and what became of each of its offsets, of which an audit
// has to tell exactly that.
type world struct {
	of      Range
	start   int64 // below it Kafka has no records
	records map[int64]*kgo.Record
	rows    []receipts.Copy // in ClickHouse's own tables
	late    []receipts.Copy // there only when looked for again
	cold    []receipts.Copy // in the cold tier only
	letters []int64
	trimmed bool
	viewErr error
	looks   map[int64]int // how often a word was asked for

	want     Partition
	findings map[string]bool
}

const worldsPartition = 7

func (w *world) found(kind Kind, offset int64) {
	w.findings[fmt.Sprintf("%s %d", kind, offset)] = true
}

// readingOf is a record of a reading, and the row it becomes.
func readingOf(offset int64, seq, at int64) (*kgo.Record, receipts.Copy) {
	value := fmt.Appendf(nil, `{"device_id":"d%d","seq":%d,"ts":%d}`, seq%5, seq, at)
	r := &kgo.Record{Topic: "t", Partition: worldsPartition, Offset: offset, Timestamp: time.UnixMilli(at), Value: value}
	key, err := schema.NewDecoder(schema.Telemetry(), schema.JSON, 1<<20).Decode(schema.Record{Topic: "t", Offset: offset, Time: at, Value: value}, schema.NewBlock(schema.Telemetry()))
	if err != nil {
		panic(err)
	}
	return r, receipts.Copy{Identity: key.Identity, Time: key.Time, Origin: schema.Origin{Partition: worldsPartition, Offset: offset}}
}

var worldsTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixMilli()

func drawWorld(t *rapid.T) *world {
	first := rapid.SampledFrom([]int64{0, 5, chunkOffsets - 20, 3*chunkOffsets - 1}).Draw(t, "first")
	fates := rapid.SliceOfN(rapid.SampledFrom([]string{"stored", "stored", "stored", "doubled", "late", "duplicate", "duplicate of another time", "duplicate of a cold row",
		"reject", "stored reject", "absent", "control", "cold", "missing", "lost reject"}), 1, 60).Draw(t, "fates")
	w := &world{of: Range{first, first + int64(len(fates))}, records: map[int64]*kgo.Record{}, looks: map[int64]int{}, findings: map[string]bool{},
		trimmed: rapid.Bool().Draw(t, "trimmed")}
	w.start = w.of.First + int64(rapid.SampledFrom([]int{0, 0, 3, 10}).Draw(t, "gone"))
	if rapid.IntRange(0, 4).Draw(t, "view") == 0 {
		w.viewErr = errors.New("no S3")
	}
	w.want = Partition{Partition: worldsPartition, Range: w.of}
	var known []receipts.Copy // what a duplicate may be of
	for i, fate := range fates {
		o := first + int64(i)
		record, row := readingOf(o, o, worldsTime+o%1000)
		gone := o < w.start
		unproven := func() {
			w.want.Unproven++
			w.found(Unproven, o)
		}
		switch fate {
		case "stored", "doubled", "late", "stored reject":
			w.want.Stored++
			known = append(known, row)
			switch fate {
			case "late":
				w.late = append(w.late, row)
			case "doubled":
				w.rows = append(w.rows, row, row)
				w.want.Doubled++
				w.found(Doubled, o)
			case "stored reject":
				w.letters = append(w.letters, o)
				w.want.Replayed++
				fallthrough
			default:
				w.rows = append(w.rows, row)
			}
		case "duplicate", "duplicate of another time":
			if len(known) == 0 {
				w.rows = append(w.rows, row)
				w.want.Stored++
				break
			}
			of := known[i%len(known)]
			at := of.Time
			if fate != "duplicate" {
				at++
			}
			record, _ = readingOf(o, of.Offset, at)
			if gone {
				unproven()
				break
			}
			w.want.Duplicates++
			if at != of.Time {
				w.want.OtherTime++
			}
		case "duplicate of a cold row":
			var elsewhere receipts.Copy
			record, elsewhere = readingOf(o, 1_000_000_000+o, worldsTime)
			elsewhere.Offset = o - 1_000_000
			w.cold = append(w.cold, elsewhere)
			if gone || w.viewErr != nil {
				unproven()
				break
			}
			w.want.Duplicates++
		case "reject":
			record.Value = []byte("{")
			w.letters = append(w.letters, o)
			w.want.Rejects++
		case "lost reject":
			record.Value = []byte("{")
			if gone || w.trimmed {
				unproven()
				break
			}
			w.want.Missing++
			w.found(Missing, o)
		case "absent":
			record = nil
			if gone {
				unproven()
				break
			}
			w.want.Absent++
		case "control":
			record = &kgo.Record{Offset: o, Attrs: kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Control: true}), Value: []byte{0, 0, 0, 0}}
			if gone {
				unproven()
				break
			}
			w.want.Absent++
		case "cold":
			w.cold = append(w.cold, row)
			if gone || w.viewErr != nil {
				unproven()
				break
			}
			w.want.Cold++
		case "missing":
			if gone || w.viewErr != nil {
				unproven()
				break
			}
			w.want.Missing++
			w.found(Missing, o)
		}
		if record != nil && !gone {
			w.records[o] = record
		}
	}
	return w
}

// The methods of store.

func (w *world) Words(_ context.Context, of receipts.Span, visit func(word int64, set, rows uint64)) error {
	w.looks[of.First]++
	tables := w.rows
	if w.looks[of.First] > 1 || of.First != w.of.First && of.First%chunkOffsets != 0 {
		tables = slices.Concat(w.rows, w.late)
	}
	for _, c := range tables {
		if of.First <= c.Offset && c.Offset < of.Next {
			visit(c.Offset/64, 1<<(c.Offset%64), 1)
		}
	}
	return nil
}

func (w *world) Rows(_ context.Context, of []receipts.Span) (map[int64]uint64, error) {
	all := map[int64]uint64{}
	for _, c := range w.rows {
		if slices.ContainsFunc(of, func(s receipts.Span) bool { return s.First <= c.Offset && c.Offset < s.Next }) {
			all[c.Offset]++
		}
	}
	return all, nil
}

func (w *world) Copies(_ context.Context, in receipts.Span, ids []schema.Identity) (found []receipts.Copy, _ error) {
	for _, c := range slices.Concat(w.rows, w.late) {
		if slices.Contains(ids, c.Identity) && in.First <= c.Offset && c.Offset < in.Next {
			found = append(found, c)
		}
	}
	return found, nil
}

func (w *world) Everywhere(_ context.Context, _ string, events []receipts.Event) (found []receipts.Copy, _ error) {
	for _, c := range slices.Concat(w.rows, w.cold) {
		if slices.ContainsFunc(events, func(e receipts.Event) bool { return e.Time == c.Time }) {
			found = append(found, c)
		}
	}
	return found, w.viewErr
}

func (w *world) Repeats(context.Context, receipts.Span, time.Duration) ([]receipts.Repeat, error) {
	return nil, nil
}

func (w *world) Arrivals(context.Context, []receipts.Span) (map[int32]int64, error) { return nil, nil }

var _ store = (*world)(nil)

// read is Kafka.
func (w *world) read(_ context.Context, _ int32, of Range, visit func(*kgo.Record)) error {
	for _, o := range slices.Sorted(maps.Keys(w.records)) {
		if of.Has(o) {
			visit(w.records[o])
		}
	}
	return nil
}

// Every offset is told for what became of it: all kinds beside one another, with
// a log that has lost its beginning, dead letters that have, a replica that is
// behind, and a cold tier that cannot be read.
func TestEveryOffsetIsAccountedFor(t *testing.T) {
	real := t
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		out := &tally{Partition: Partition{Partition: worldsPartition, Range: w.of}}
		e := &examiner{
			run:    &run{stores: []store{w}, schema: schema.Telemetry(), trimmed: w.trimmed, read: w.read, progress: func(Progress) {}},
			limits: limits{partition: worldsPartition, start: w.start, from: w.of.First}, letters: w.letters, out: out,
			decoder: schema.NewDecoder(schema.Telemetry(), schema.JSON, 1<<20), block: schema.NewBlock(schema.Telemetry()),
		}
		var err error
		synctest.Test(real, func(*testing.T) { // it waits before it looks again
			time.Sleep(time.Until(time.UnixMilli(worldsTime).Add(time.Hour)))
			err = e.examine(context.Background())
		})
		if err != nil {
			t.Fatal(err)
		}
		if out.Partition != w.want {
			t.Fatalf("got  %+v\nwant %+v\nfindings %+v", out.Partition, w.want, out.findings)
		}
		sum := out.Stored + out.Duplicates + out.Rejects + out.Absent + out.Cold + out.Missing + out.Unproven
		if sum != out.Count() {
			t.Fatalf("the outcomes are of %d offsets, want %d", sum, out.Count())
		}
		named := map[string]bool{}
		for _, f := range out.findings {
			for o := f.First; o < f.Next; o++ {
				named[fmt.Sprintf("%s %d", f.Kind, o)] = true
			}
		}
		if !maps.Equal(named, w.findings) {
			t.Fatalf("named %v\nwant  %v", named, w.findings)
		}
	})
}
