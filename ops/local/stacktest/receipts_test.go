package stacktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
	"penstock/pipeline/dedup"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// TestReceipts asks a real ClickHouse what is stored, over one server: to start
// it costs more than each of these.
func TestReceipts(t *testing.T) {
	a := start(t, kafka.KFake).Addresses().ClickHouse
	for name, test := range map[string]func(*testing.T, *receiptsOf){
		"stored":             testStored,
		"last":               testLast,
		"windows":            testWindows,
		"windows_of_one":     testWindowsOfOneField,
		"counts":             testCounts,
		"days_move":          testReceiptsWhileDaysMove,
		"projection_is_read": testProjectionIsRead,
	} {
		t.Run(name, func(t *testing.T) {
			s := schema.Telemetry()
			if name == "windows_of_one" {
				s = byEventID(t)
			}
			test(t, openReceipts(t, a, name, s))
		})
	}
}

// byEventID is the product's schema, with an identity of one field.
func byEventID(t *testing.T) *schema.Schema {
	s, err := schema.Parse([]byte(`
name: telemetry
version: 1
identity: [event_id]
device: device_id
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true}
  - {id: 2, name: seq, type: uint64}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
  - {id: 4, name: event_id, type: string, required: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// receiptsOf is a database of one test.
type receiptsOf struct {
	at     stack.ClickHouseAddress
	schema *schema.Schema
	tables schema.Tables
	conn   driver.Conn
	reader *receipts.Reader
}

func (r *receiptsOf) options() *clickhouse.Options {
	return &clickhouse.Options{Addr: []string{r.at.Native}, Auth: clickhouse.Auth{Username: r.at.User, Password: r.at.Password}}
}

func openReceipts(t *testing.T, at stack.ClickHouseAddress, database string, s *schema.Schema) *receiptsOf {
	r := &receiptsOf{at: at, schema: s, tables: schema.Tables{Database: database}}
	var err error
	if r.conn, err = clickhouse.Open(r.options()); err != nil {
		t.Fatal(err)
	}
	for _, statement := range append([]string{r.tables.CreateDatabase()}, s.DDL(r.tables)...) {
		r.exec(t, statement)
	}
	r.reader = r.open(t, nil)
	t.Cleanup(func() {
		if err := r.conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// open returns a reader whose statements have settings.
func (r *receiptsOf) open(t *testing.T, settings clickhouse.Settings) *receipts.Reader {
	t.Helper()
	o := r.options()
	o.Settings = settings
	reader, err := receipts.Open(o, r.schema, r.tables)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	return reader
}

func (r *receiptsOf) exec(t *testing.T, statement string) {
	t.Helper()
	if err := r.conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// seal moves a day as the compactor does.
func (r *receiptsOf) seal(ctx context.Context, day schema.Day) error {
	return r.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s MOVE PARTITION %s TO TABLE %s",
		r.schema.Hot(r.tables), schema.QuoteString(day.String()), r.schema.Sealed(r.tables)))
}

// record is one record of Kafka.
type record struct {
	partition int32
	offset    int64
	device    string
	seq       uint64
	event, at int64 // Unix milliseconds
	id        schema.Identity
}

// begin is noon of the first day of history.
const begin = 1_793_016_000_000

// history returns n records of each of 4 partitions. A partition has 50 devices
// that read once in 4.8 seconds, from a noon to the next but one at 30,000, and
// start again at 20,000. Every 1000th record is missing.
func history(n int64) (out []record) {
	for offset := range n {
		for p := range int32(4) {
			if offset%1000 == 7 {
				continue
			}
			r := record{partition: p, offset: offset, device: fmt.Sprintf("device-%d-%d", p, offset%50), seq: uint64(offset / 50), event: begin + offset*4800, at: begin + offset*4800 + 20}
			if offset >= 20_000 {
				r.seq -= 20_000 / 50
			}
			out = append(out, r)
		}
	}
	return out
}

// index is which event of its Kafka record the record is.
func (one record) index() uint16 { return uint16(one.offset % 3) }

// insert stores records as a node does, an insert a day, and sets their identity.
func (r *receiptsOf) insert(t *testing.T, records []record) {
	t.Helper()
	conn, err := ch.Dial(t.Context(), ch.Options{Address: r.at.Native, User: r.at.User, Password: r.at.Password})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	decoder, days := schema.NewDecoder(r.schema, schema.JSON, schema.DefaultMaxRecordBytes), map[schema.Day]*schema.Block{}
	for i := range records {
		one := &records[i]
		day := schema.DayOf(one.event)
		if days[day] == nil {
			days[day] = schema.NewBlock(r.schema)
		}
		value := fmt.Sprintf(`{"device_id":%q,"seq":%d,"ts":%d,"event_id":"%s#%[2]d"}`, one.device, one.seq, one.event, one.device)
		key, err := decoder.Decode(schema.Record{Topic: "t", Partition: one.partition, Offset: one.offset, Index: one.index(), Time: one.at, Value: []byte(value)}, days[day])
		if err != nil {
			t.Fatal(err)
		}
		one.id = key.Identity
	}
	var names []string
	for _, c := range r.schema.Columns() {
		names = append(names, schema.QuoteIdent(c.Name))
	}
	for _, b := range days {
		q := ch.Query{Body: fmt.Sprintf("INSERT INTO %s (%s) VALUES", r.schema.Hot(r.tables), strings.Join(names, ", ")), Input: b.Input()}
		if err := conn.Do(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

// fill stores a history of three days, of which the first is sealed.
func (r *receiptsOf) fill(t *testing.T) []record {
	t.Helper()
	records := history(30_000)
	for batch := range slices.Chunk(records, len(records)/3+1) {
		r.insert(t, batch)
	}
	if err := r.seal(t.Context(), schema.DayOf(begin)); err != nil {
		t.Fatal(err)
	}
	return records
}

func span(partition int32, first, next int64) receipts.Span {
	return receipts.Span{Partition: partition, First: first, Next: next}
}

func testStored(t *testing.T, r *receiptsOf) {
	records := r.fill(t)
	spans := []receipts.Span{span(0, 8_000, 22_000), span(1, 0, 100), span(1, 500, 501), span(3, 29_990, 40_000), span(9, 0, 10), span(2, 5, 5)}
	for i := range int64(600) { // more ranges than one statement has
		spans = append(spans, span(2, 10*i, 10*i+3))
	}
	got, err := r.reader.Stored(t.Context(), spans)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, one := range records {
		in := slices.ContainsFunc(spans, func(s receipts.Span) bool {
			return s.Partition == one.partition && s.First <= one.offset && one.offset < s.Next
		})
		if in {
			count++
		}
		origin := schema.Origin{Partition: one.partition, Offset: one.offset, Index: one.index()}
		if got.Has(origin) != in {
			t.Fatalf("%+v is in the answer: %v", origin, !in)
		}
		if origin.Index++; got.Has(origin) {
			t.Fatalf("%+v is in the answer, and another event of the record is stored", origin)
		}
	}
	if got.Count() != count || got.Has(schema.Origin{Offset: 8007}) || got.Has(schema.Origin{Partition: 9}) {
		t.Errorf("%d origins, want %d; or one that is missing is stored", got.Count(), count)
	}
	if none, err := r.reader.Stored(t.Context(), nil); err != nil || none.Count() != 0 {
		t.Errorf("of no span %d offsets are stored, and %v", none.Count(), err)
	}
}

func testLast(t *testing.T, r *receiptsOf) {
	records := r.fill(t)
	at := func(offset int64) int64 { return begin + offset*4800 + 20 }
	// The newest record of partition 3 is a late one, of the sealed day.
	late := record{partition: 3, offset: 50, device: "late", seq: 1, event: begin, at: at(70_000)}
	r.insert(t, []record{late})
	if err := r.seal(t.Context(), schema.DayOf(begin)); err != nil {
		t.Fatal(err)
	}
	got, err := r.reader.Last(t.Context(), map[int32]int64{0: 0, 1: 29_999, 2: 30_000, 3: 20, 9: 0})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int32]receipts.Last{0: {Offset: 29_999, IngestedAt: at(29_999)}, 1: {Offset: 29_999, IngestedAt: at(29_999)}, 3: {Offset: 29_999, IngestedAt: late.at}}
	if !maps.Equal(got, want) {
		t.Errorf("last are %v, want %v, of %d records", got, want, len(records))
	}
}

// blockOf names a block of a partition.
type blockOf struct {
	partition      int32
	device, number uint64
}

func (r *receiptsOf) windows(t *testing.T, from map[int32]receipts.Since) (map[blockOf]dedup.Block, map[int32]*dedup.Window) {
	t.Helper()
	blocks, windows := map[blockOf]dedup.Block{}, map[int32]*dedup.Window{}
	for p := range from {
		windows[p] = dedup.NewWindow(time.Hour, dedup.KindOf(r.schema))
	}
	err := r.reader.Windows(t.Context(), from, func(p int32, b dedup.Block) error {
		windows[p].Restore(b, 1<<30)
		key := blockOf{p, b.Device, b.Number}
		if has, ok := blocks[key]; ok { // of the hot table, and now of the sealed
			b.First, b.Last, b.At = min(b.First, has.First), max(b.Last, has.Last), max(b.At, has.At)
			for i := range b.Bits {
				b.Bits[i] |= has.Bits[i]
			}
		}
		blocks[key] = b
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return blocks, windows
}

func testWindows(t *testing.T, r *receiptsOf) {
	records := r.fill(t)
	const all = 1 << 40 // beyond every offset
	from := map[int32]receipts.Since{0: {Before: all}, 1: {Offset: 15_000, Before: 45_000}, 2: {Before: all, IngestedAt: records[40_000].at}, 3: {Offset: 30_000, Before: all}, 9: {Before: all}}
	got, windows := r.windows(t, from)
	want := map[blockOf]dedup.Block{}
	for _, one := range records {
		since, ok := from[one.partition]
		if !ok || one.offset < since.Offset || one.offset >= since.Before || one.at < since.IngestedAt {
			continue
		}
		key := blockOf{one.partition, one.id.Device, one.id.Seq / 512}
		b, ok := want[key]
		if !ok {
			b = dedup.Block{Device: key.device, Number: key.number, First: one.event}
		}
		b.Bits[one.id.Seq%512/64] |= 1 << (one.id.Seq % 64)
		b.First, b.Last, b.At = min(b.First, one.event), max(b.Last, one.event), max(b.At, one.at)
		want[key] = b
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d blocks, want %d", len(got), len(want))
		for key := range want {
			if got[key] != want[key] {
				t.Fatalf("block %v is %v, want %v", key, got[key], want[key])
			}
		}
	}
	if len(windows) != 5 || windows[0].Len() != 50 || windows[3].Len() != 0 {
		t.Errorf("window 0 has %d blocks and window 3 %d", windows[0].Len(), windows[3].Len())
	}

	end := records[len(records)-1].at
	for _, one := range records {
		since := from[one.partition]
		within := one.offset >= since.Offset && one.offset < since.Before && one.at >= since.IngestedAt
		if dup, _ := windows[one.partition].Seen(one.id, one.event, end, 1<<30); dup != within {
			t.Fatalf("offset %d of partition %d, number %d, is a resend: %v", one.offset, one.partition, one.seq, dup)
		}
	}
	one := records[0]
	if dup, _ := windows[0].Seen(one.id, end+1000, end, 1<<30); dup {
		t.Error("a reading after another restart is a resend")
	}

	stop := errors.New("enough")
	if err := r.reader.Windows(t.Context(), from, func(int32, dedup.Block) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the visitor's error became %v", err)
	}
}

func testWindowsOfOneField(t *testing.T, r *receiptsOf) {
	records := r.fill(t)
	const all = 1 << 40 // beyond every offset
	from := map[int32]receipts.Since{0: {Before: all}, 1: {Offset: 15_000, Before: all}}
	got, windows := r.windows(t, from)
	want := map[blockOf]dedup.Block{}
	for _, one := range records {
		if since, ok := from[one.partition]; ok && one.offset >= since.Offset {
			key := blockOf{one.partition, 0, one.id.Seq}
			want[key] = dedup.Block{Number: one.id.Seq, At: max(want[key].At, one.at)}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d fingerprints, want %d", len(got), len(want))
	}
	end := records[len(records)-1].at
	for _, one := range records {
		if one.partition > 1 {
			continue
		}
		_, stored := want[blockOf{one.partition, 0, one.id.Seq}]
		if dup, _ := windows[one.partition].Seen(one.id, one.event, end, 1<<30); dup != stored {
			t.Fatalf("offset %d of partition %d is a resend: %v", one.offset, one.partition, dup)
		}
		want[blockOf{one.partition, 0, one.id.Seq}] = dedup.Block{}
	}
}

func testCounts(t *testing.T, r *receiptsOf) {
	records := r.fill(t)
	// Stored twice are 9 records of each partition, whose day is sealed while
	// these stay hot, and 20 of a day that is hot.
	r.insert(t, slices.Clone(records[:36]))
	r.insert(t, slices.Clone(records[60_000:60_080]))
	first := records[60_000].offset
	spans := []receipts.Span{span(0, 0, 30_000), span(1, 0, 1000), span(1, 0, 10), span(2, first, first+5), span(2, 7, 8), span(9, 0, 1<<24), span(0, 0, 30_000)}
	got, err := r.reader.Counts(t.Context(), spans)
	if err != nil {
		t.Fatal(err)
	}
	want := map[receipts.Span]receipts.Count{
		span(0, 0, 30_000):      {Rows: 29_970 + 9 + 20, Distinct: 29_970},
		span(1, 0, 1000):        {Rows: 999 + 9, Distinct: 999},
		span(1, 0, 10):          {Rows: 18, Distinct: 9},
		span(2, first, first+5): {Rows: 10, Distinct: 5},
		span(2, 7, 8):           {},
		span(9, 0, 1<<24):       {},
	}
	if !maps.Equal(got, want) {
		t.Errorf("counts are %v, want %v", got, want)
	}
}

// testReceiptsWhileDaysMove seals day after day while it asks: a row that is
// stored is never missing, and never counted twice.
func testReceiptsWhileDaysMove(t *testing.T, r *receiptsOf) {
	const days = 12
	var records []record
	for o := range int64(days * 200) {
		event := begin + o/200*86_400_000 + o
		records = append(records, record{partition: 0, offset: o, device: "d", seq: uint64(o), event: event, at: event})
	}
	r.insert(t, records)
	whole := span(0, 0, int64(len(records)))
	turn, sealed := make(chan struct{}), make(chan error, 1)
	go func() {
		var errs []error
		for day := range schema.Day(days) {
			<-turn
			errs = append(errs, r.seal(t.Context(), schema.DayOf(begin)+day))
		}
		sealed <- errors.Join(errs...)
	}()
	asked := 0
	for moving := true; moving; asked++ {
		select {
		case turn <- struct{}{}: // a day moves while it is asked
		case err := <-sealed:
			if err != nil {
				t.Fatal(err)
			}
			moving = false
		}
		if got, err := r.reader.Stored(t.Context(), []receipts.Span{whole}); err != nil || got.Count() != len(records) {
			t.Fatalf("%d offsets are stored, want %d; %v", got.Count(), len(records), err)
		}
		want := receipts.Count{Rows: uint64(len(records)), Distinct: uint64(len(records))}
		if got, err := r.reader.Counts(t.Context(), []receipts.Span{whole}); err != nil || got[whole] != want {
			t.Fatalf("counts are %v, want %v; %v", got[whole], want, err)
		}
	}
	t.Logf("asked %d times while %d days moved", asked, days)
}

// testProjectionIsRead has the server refuse what does not read the receipts by
// their key, and what reads more of them than was asked for.
func testProjectionIsRead(t *testing.T, r *receiptsOf) {
	// Every range has rows of a day that is hot and of one that is sealed.
	var records []record
	for o := range int64(50_000) {
		for p := range int32(4) {
			records = append(records, record{partition: p, offset: o, device: fmt.Sprint("d", o%50), seq: uint64(o), event: begin + o%2*86_400_000 + o, at: begin + o})
		}
	}
	r.insert(t, records)
	if err := r.seal(t.Context(), schema.DayOf(begin)); err != nil {
		t.Fatal(err)
	}
	strict := r.open(t, clickhouse.Settings{"force_optimize_projection_name": "receipts", "max_rows_to_read": 40_000, "read_overflow_mode": "throw"})
	reads := map[string]func() error{
		"Stored": func() error {
			_, err := strict.Stored(t.Context(), []receipts.Span{span(0, 5000, 6000), span(1, 30_000, 31_000), span(3, 49_000, 50_000)})
			return err
		},
		"Last": func() error {
			_, err := strict.Last(t.Context(), map[int32]int64{0: 47_000, 2: 47_000})
			return err
		},
		"Windows": func() error {
			from := map[int32]receipts.Since{0: {Offset: 47_000, Before: 1 << 40, IngestedAt: begin}, 2: {Offset: 47_000, Before: 1 << 40, IngestedAt: begin}}
			return strict.Windows(t.Context(), from, func(int32, dedup.Block) error { return nil })
		},
		"Counts": func() error {
			_, err := strict.Counts(t.Context(), []receipts.Span{span(0, 5000, 6000), span(1, 30_000, 31_000)})
			return err
		},
	}
	for name, read := range reads {
		if err := read(); err != nil {
			t.Errorf("%s does not read the receipts: %v", name, err)
		}
	}
	// The server refuses indeed.
	r.exec(t, "ALTER TABLE "+r.schema.Hot(r.tables)+" DROP PROJECTION receipts SETTINGS mutations_sync = 2")
	for name, read := range reads {
		if err := read(); err == nil {
			t.Errorf("%s does not miss the receipts", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}
