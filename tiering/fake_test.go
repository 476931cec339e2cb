package tiering

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/archive/archivetest"
	"penstock/tiering/store"
)

// testSchema is small, so that a test's rows can be read at a glance.
func testSchema(t testing.TB) *schema.Schema {
	t.Helper()
	return parse(t, 1, "")
}

// laterSchema is testSchema with one field more.
func laterSchema(t testing.TB) *schema.Schema {
	t.Helper()
	return parse(t, 2, "  - {id: 6, name: noise_db, type: float64, nullable: true, since: 2}\n")
}

func parse(t testing.TB, version int, fields string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse(fmt.Appendf(nil, `name: telemetry
version: %d
identity: [device_id, seq]
device: device_id
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
  - {id: 4, name: temperature, type: float32, nullable: true}
  - {id: 5, name: status, type: string, low_cardinality: true}
%s`, version, fields))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// event is a row of testSchema.
type event struct {
	device string
	seq    uint64
	time   int64
	offset int64
	noise  float64 // of laterSchema; 0 for none
	block  int64   // of the sealed table; a part is the rows of one
}

func (e event) day() schema.Day { return schema.DayOf(e.time) }

func (e event) values(s *schema.Schema) []any {
	temperature := any(float32(e.seq) / 2)
	if e.seq%3 == 0 {
		temperature = nil
	}
	fields := []any{e.device, e.seq, e.time, temperature, "ok"}
	if s.Version > 1 {
		noise := any(nil)
		if e.noise != 0 {
			noise = e.noise
		}
		fields = append(fields, noise)
	}
	return append(fields, "", "telemetry", int32(e.offset%4), e.offset, e.time+100, uint16(0))
}

// warehouse is ClickHouse as far as the compactor can tell: two tables, and a
// view that is what the last ReplaceView said.
type warehouse struct {
	mu          sync.Mutex
	schema      *schema.Schema // the newest that is ready
	unknown     []string       // columns of the tables that are no schema's
	shown       string         // what the view is
	fence       uint64
	wall        func() time.Time // its own clock; nil: nothing is too late
	overwrites  int              // how often the view is replaced by someone else, right after the compactor
	objects     *store.Memory    // where it reads the files of earlier generations
	hot, sealed map[schema.Day][]event
	cutOver     []schema.Day
	files       []string
	blockRows   int
	shortScan   bool     // a scan ends before its last block, without an error
	blind       bool     // a scan of sealed rows finds none in earlier files
	forge       bool     // a scan of files has another value in its last row
	twice       bool     // a scan of files has its last row twice
	erasing     []func() // mutations that have begun
	lastBlock   int64
	dropped     func() error // called after each part that is dropped; may be nil
	tokens      map[schema.Day]map[string]bool
	forgetful   bool          // no token is remembered
	busy        func() string // what Busy says; nil for nothing
	moving      *schema.Row   // by which the view minds a move
	deleting    int           // how often Deleting says so
	uuid        string        // of the sealed table
}

func newWarehouse(s *schema.Schema, objects *store.Memory, events ...event) *warehouse {
	w := &warehouse{schema: s, objects: objects, hot: map[schema.Day][]event{}, sealed: map[schema.Day][]event{}, tokens: map[schema.Day]map[string]bool{}, blockRows: 7}
	w.insert(events...)
	return w
}

func (w *warehouse) insert(events ...event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		w.hot[e.day()] = append(w.hot[e.day()], e)
	}
}

func (w *warehouse) Partitions(context.Context) ([]Partition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	byDay := map[schema.Day]Partition{}
	for day, events := range w.hot {
		byDay[day] = Partition{Day: day, HotRows: uint64(len(events))}
	}
	for day, events := range w.sealed {
		p := byDay[day]
		p.Day, p.SealedRows = day, uint64(len(events))
		byDay[day] = p
	}
	var out []Partition
	for _, p := range byDay {
		out = append(out, p)
	}
	return out, nil
}

func (w *warehouse) Busy(context.Context) (string, error) {
	if w.busy == nil {
		return "", nil
	}
	return w.busy(), nil
}

func (w *warehouse) HotRow(_ context.Context, day schema.Day) (schema.Row, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.hot[day]) == 0 {
		return schema.Row{}, fmt.Errorf("nothing of %v is hot", day)
	}
	return schema.Row{Day: day, Topic: "telemetry", Origin: schema.Origin{Offset: w.hot[day][0].offset}}, nil
}

func (w *warehouse) Seal(_ context.Context, day schema.Day, before time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wall != nil && !w.wall().Before(before) {
		return fmt.Errorf("too late: it is %v", w.wall())
	}
	if !strings.Contains(w.shown, fmt.Sprint("while ", day, " moves")) {
		return fmt.Errorf("day %v moves, and the view %q does not mind it", day, w.shown)
	}
	w.move(day)
	return nil
}

// move seals a day, as parts of at most six rows.
func (w *warehouse) move(day schema.Day) {
	for part := range slices.Chunk(w.hot[day], 6) {
		w.lastBlock++
		for _, e := range part {
			e.block = w.lastBlock
			w.sealed[day] = append(w.sealed[day], e)
		}
	}
	delete(w.hot, day)
}

func (w *warehouse) SealedParts(_ context.Context, day schema.Day) ([]Part, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parts(day), nil
}

func (w *warehouse) parts(day schema.Day) (parts []Part) {
	for _, e := range w.sealed[day] {
		i := slices.IndexFunc(parts, func(p Part) bool { return p.LastBlock == e.block })
		if i < 0 {
			i, parts = len(parts), append(parts, Part{Name: fmt.Sprint(day, "_", e.block), FirstBlock: e.block, LastBlock: e.block})
		}
		parts[i].Rows++
		parts[i].Twin = slices.Contains(w.hot[day], e)
	}
	return parts
}

// tear seals a day and is killed on the way: only so many rows, in parts of their
// own, are in the sealed table, and so many have been given up by the hot one.
// Merged since, they are in no part of the hot table's.
func (w *warehouse) tear(day schema.Day, sealed, gone int, merged bool) {
	hot := slices.Clone(w.hot[day])
	w.move(day)
	w.sealed[day] = w.sealed[day][:sealed]
	if len(w.sealed[day]) == 0 {
		delete(w.sealed, day)
	}
	for i, e := range w.sealed[day] {
		if !merged {
			hot[i].block = e.block // the same part
		}
	}
	w.hot[day] = hot[gone:]
}

func (w *warehouse) ScanSealed(_ context.Context, s *schema.Schema, day schema.Day, earlier []string, each func(*archive.Block, []bool) error) error {
	w.mu.Lock()
	events := slices.Clone(w.sealed[day])
	w.mu.Unlock()
	cold := map[identity]bool{}
	for _, key := range earlier {
		if w.blind {
			break
		}
		rows, err := readEvents(w.objects, key)
		if err != nil {
			return err
		}
		for _, r := range rows {
			cold[identity{r.Device, r.Seq}] = true
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return slices.CompareFunc(a.sortKey(), b.sortKey(), bytes.Compare)
	})
	if w.shortScan {
		events = events[:len(events)-1]
	}
	b := archive.NewBlock(s)
	for part := range slices.Chunk(events, w.blockRows) {
		archivetest.Reset(b)
		var known []bool
		for _, e := range part {
			archivetest.Append(b, e.values(s)...)
			known = append(known, cold[identity{e.device, e.seq}])
		}
		if err := each(b, known); err != nil {
			return err
		}
	}
	return nil
}

func (w *warehouse) ScanFiles(_ context.Context, s *schema.Schema, keys []string, each func(*archive.Block, []uint32) error) error {
	type row struct {
		event
		from uint32
	}
	var rows []row
	for i, key := range keys {
		events, err := readEvents(w.objects, key)
		if err != nil {
			return err
		}
		for _, e := range events {
			rows = append(rows, row{e.event(), uint32(i)})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return slices.CompareFunc(a.sortKey(), b.sortKey(), bytes.Compare) })
	last := len(rows) - 1
	if w.forge {
		rows[last].seq++
	}
	if w.twice {
		rows = append(rows, rows[last])
	}
	if w.shortScan {
		rows = rows[:last]
	}
	b := archive.NewBlock(s)
	for part := range slices.Chunk(rows, w.blockRows) {
		archivetest.Reset(b)
		var from []uint32
		for _, r := range part {
			archivetest.Append(b, r.values(s)...)
			from = append(from, r.from)
		}
		if err := each(b, from); err != nil {
			return err
		}
	}
	return nil
}

// identity is what makes two events the same.
type identity struct {
	device string
	seq    uint64
}

func (e event) sortKey() [][]byte {
	return [][]byte{[]byte(e.device), fmt.Appendf(nil, "%020d %020d %020d", e.time, e.seq, e.offset)}
}

func (w *warehouse) Fence(_ context.Context, fence uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fence = fence
	return nil
}

func (w *warehouse) ReplaceView(ctx context.Context, s *schema.Schema, v View, fence uint64, confirm func(context.Context) error) error {
	if err := confirm(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if fence != w.fence {
		return fmt.Errorf("the view prepared under fence %d is gone; that of the compactor is %d", fence, w.fence)
	}
	if w.overwrites > 0 {
		w.overwrites-- // another has read the view before, and replaces it after
		return nil
	}
	w.cutOver, w.files, w.moving, w.shown = slices.Clone(v.CutOver), slices.Clone(v.Files), v.Moving, viewText(s, v)
	return nil
}

// viewText tells views apart.
func viewText(s *schema.Schema, v View) string {
	text := fmt.Sprint(s.Version, v.CutOver, v.Files)
	if v.Moving != nil {
		text += fmt.Sprint(" while ", v.Moving.Day, " moves")
	}
	return text
}

func (w *warehouse) Shows(_ context.Context, s *schema.Schema, v View) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown == viewText(s, v), nil
}

func (w *warehouse) Minded(context.Context) (*schema.Row, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.moving, nil
}

func (w *warehouse) Table(context.Context) (string, error) { return w.uuid, nil }

func (w *warehouse) Deleting(context.Context) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deleting--
	return w.deleting >= 0, nil
}

// Unseal finds what was merged meanwhile: parts of it are no twins.
func (w *warehouse) Unseal(_ context.Context, day schema.Day) (rows uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed[day] = slices.DeleteFunc(w.sealed[day], func(e event) bool {
		hot := slices.ContainsFunc(w.hot[day], func(h event) bool { return h.offset == e.offset })
		if hot {
			rows++
		}
		return hot
	})
	if len(w.sealed[day]) == 0 {
		delete(w.sealed, day)
	}
	return rows, nil
}

func (w *warehouse) Schema(context.Context) (*schema.Schema, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.schema, nil
}

func (w *warehouse) Unknown(context.Context, *schema.Schema) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unknown, nil
}

func (w *warehouse) DropSealed(_ context.Context, day schema.Day, choose func([]Part) ([]Part, error)) error {
	w.mu.Lock()
	parts := w.parts(day)
	w.mu.Unlock()
	chosen, err := choose(parts)
	if err != nil {
		return err
	}
	for _, part := range chosen {
		if err := w.drop(day, part); err != nil {
			return err
		}
		if w.dropped == nil {
			continue
		}
		if err := w.dropped(); err != nil {
			return err
		}
	}
	return nil
}

func (w *warehouse) drop(day schema.Day, part Part) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.leavesOut(day) && !part.Twin {
		return fmt.Errorf("day %v is dropped while the view reads it", day)
	}
	w.sealed[day] = slices.DeleteFunc(w.sealed[day], func(e event) bool { return e.block == part.LastBlock })
	if len(w.sealed[day]) == 0 {
		delete(w.sealed, day)
		delete(w.tokens, day)
	}
	return nil
}

// minds reports whether the view leaves out a day's sealed rows since the day is
// about to move: as long as one of its rows is hot.
func (w *warehouse) minds(day schema.Day) bool {
	return w.moving != nil && w.moving.Day == day && slices.ContainsFunc(w.hot[day], func(e event) bool { return e.offset == w.moving.Offset })
}

// leavesOut reports whether the view does not read a day's sealed rows.
func (w *warehouse) leavesOut(day schema.Day) bool { return slices.Contains(w.cutOver, day) }

func (w *warehouse) RowsOf(_ context.Context, devices []string) ([]Partition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	byDay := map[schema.Day]Partition{}
	count := func(tables map[schema.Day][]event, add func(*Partition)) {
		for day, events := range tables {
			for _, e := range events {
				if slices.Contains(devices, e.device) {
					p := byDay[day]
					p.Day = day
					add(&p)
					byDay[day] = p
				}
			}
		}
	}
	count(w.hot, func(p *Partition) { p.HotRows++ })
	count(w.sealed, func(p *Partition) { p.SealedRows++ })
	return slices.Collect(maps.Values(byDay)), nil
}

// Erase takes effect in the second look at Erasing.
func (w *warehouse) Erase(_ context.Context, devices []string, sealed []schema.Day) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.erasing = append(w.erasing, func() {
		gone := func(e event) bool { return slices.Contains(devices, e.device) }
		for day := range w.hot {
			if w.hot[day] = slices.DeleteFunc(w.hot[day], gone); len(w.hot[day]) == 0 {
				delete(w.hot, day)
			}
		}
		for _, day := range sealed {
			if w.sealed[day] = slices.DeleteFunc(w.sealed[day], gone); len(w.sealed[day]) == 0 {
				delete(w.sealed, day)
			}
		}
	})
	return []string{"telemetry_1m_site"}, nil
}

func (w *warehouse) Erasing(context.Context) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := uint64(len(w.erasing))
	for _, erase := range w.erasing {
		erase()
	}
	w.erasing = nil
	return left, nil
}
