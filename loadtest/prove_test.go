package loadtest

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"penstock/schema"
)

// row is what a memory table keeps of an event.
type row struct {
	device string
	seq    uint64
	place  coordinate
}

// memory is a table held as rows; it answers as the queries do.
type memory struct {
	rows []row
	news []fieldsRow // those that have new fields
}

func (m *memory) in(ids idRange) []row {
	var out []row
	for _, r := range m.rows {
		if r.device >= ids.from && r.device < ids.to {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b row) int { return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.seq, b.seq)) })
	return out
}

func (m *memory) Count(_ context.Context, ids idRange) (uint64, error) {
	return uint64(len(m.in(ids))), nil
}

func (m *memory) Devices(_ context.Context, ids idRange) iter.Seq2[deviceRows, error] {
	type sets struct {
		rows   uint64
		seqs   map[uint64]bool
		places map[coordinate]bool
	}
	devices := map[string]*sets{}
	for _, r := range m.in(ids) {
		d := devices[r.device]
		if d == nil {
			d = &sets{seqs: map[uint64]bool{}, places: map[coordinate]bool{}}
			devices[r.device] = d
		}
		d.rows++
		d.seqs[r.seq], d.places[r.place] = true, true
	}
	return func(yield func(deviceRows, error) bool) {
		for device, d := range devices {
			seqs := slices.Sorted(maps.Keys(d.seqs))
			if !yield(deviceRows{device, d.rows, uint64(len(seqs)), seqs[0], seqs[len(seqs)-1], uint64(len(d.places))}, nil) {
				return
			}
		}
	}
}

func (m *memory) Columns(_ context.Context, fields []newField) ([]bool, error) {
	return make([]bool, len(fields)), nil
}

func (m *memory) NewFields(context.Context, idRange, schema.Encoding, []newField, []bool) iter.Seq2[fieldsRow, error] {
	return func(yield func(fieldsRow, error) bool) {
		for _, r := range m.news {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *memory) Readings(_ context.Context, ids idRange) iter.Seq2[readingRows, error] {
	return func(yield func(readingRows, error) bool) {
		rows := m.in(ids)
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && rows[n].device == rows[0].device && rows[n].seq == rows[0].seq {
				n++
			}
			if !yield(readingRows{rows[0].device, rows[0].seq, uint64(n)}, nil) {
				return
			}
			rows = rows[n:]
		}
	}
}

func (s Sent) id(device uint32) string { return string(appendDevice(nil, devicePrefix(s.Run), device)) }

// whole returns a table that has exactly what s says.
func (s Sent) whole() *memory {
	m := &memory{}
	for device, seqs := range s.Seqs {
		for seq := range uint64(seqs) {
			m.rows = append(m.rows, row{s.id(uint32(device)), seq, coordinate{0, int64(len(m.rows))}})
		}
	}
	return m
}

func (m *memory) remove(device string, seqs ...uint64) {
	m.rows = slices.DeleteFunc(m.rows, func(r row) bool { return r.device == device && slices.Contains(seqs, r.seq) })
}

func TestProve(t *testing.T) {
	sent := Sent{Run: "t", Seqs: []uint32{5, 0, 3, 100, 7}}
	f := func(name string, break_ func(*memory), want Proof) {
		t.Helper()
		m := sent.whole()
		break_(m)
		want.Stored = uint64(len(m.rows))
		for _, limit := range []uint64{chunkReadings, 6} {
			got, err := prove(t.Context(), m, sent, limit)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, chunks of %d:\ngot  %+v\nwant %+v", name, limit, got, want)
			}
		}
	}
	f("whole", func(*memory) {}, Proof{})
	f("one missing", func(m *memory) { m.remove("dev-t-000003", 42) },
		Proof{Missing: 1, Examples: []string{"dev-t-000003 seq 42: missing"}})
	f("first and last of a device missing", func(m *memory) { m.remove("dev-t-000000", 0, 4) },
		Proof{Missing: 2, Examples: []string{"dev-t-000000 seq 0: missing", "dev-t-000000 seq 4: missing"}})
	f("a whole device missing", func(m *memory) { m.remove("dev-t-000002", 0, 1, 2) },
		Proof{Missing: 3, Examples: []string{"dev-t-000002 seq 0: missing", "dev-t-000002 seq 1: missing", "dev-t-000002 seq 2: missing"}})
	f("the last device missing", func(m *memory) { m.remove("dev-t-000004", 0, 1, 2, 3, 4, 5, 6) }, Proof{Missing: 7, Examples: []string{
		"dev-t-000004 seq 0: missing", "dev-t-000004 seq 1: missing", "dev-t-000004 seq 2: missing", "dev-t-000004 seq 3: missing",
		"dev-t-000004 seq 4: missing", "dev-t-000004 seq 5: missing", "dev-t-000004 seq 6: missing"}})
	f("a resend stored", func(m *memory) { m.rows = append(m.rows, row{"dev-t-000002", 1, coordinate{0, 999}}) },
		Proof{Duplicated: 1, Examples: []string{"dev-t-000002 seq 1: 2 rows"}})
	f("a record stored twice", func(m *memory) { m.rows = append(m.rows, m.rows[0]) },
		Proof{Duplicated: 1, SamePlace: 1, Examples: []string{"dev-t-000000 seq 0: 2 rows"}})
	f("one missing, one twice: the counts alone agree", func(m *memory) {
		m.remove("dev-t-000003", 50)
		m.rows = append(m.rows, row{"dev-t-000003", 51, coordinate{1, 7}})
	}, Proof{Missing: 1, Duplicated: 1, Examples: []string{"dev-t-000003 seq 50: missing", "dev-t-000003 seq 51: 2 rows"}})
	f("a malformed record stored", func(m *memory) {
		m.rows = append(m.rows, row{"dev-t-000003", malformedSeq, coordinate{1, 7}})
	}, Proof{Unexpected: 1, Examples: []string{"dev-t-000003 seq 1099511627776: 1 rows of no reading sent"}})
	f("a device no one has", func(m *memory) {
		m.rows = append(m.rows, row{"dev-t-broken", 1, coordinate{1, 7}})
	}, Proof{Unexpected: 1, Examples: []string{"dev-t-broken seq 1: 1 rows of no reading sent"}})
	f("another run's rows", func(m *memory) {
		for i := range m.rows {
			if i == 0 {
				m.rows[i].device = "dev-u-000000"
			}
		}
		m.rows = m.rows[1:]
	}, Proof{Missing: 1, Examples: []string{"dev-t-000000 seq 0: missing"}})
}

func TestProveUnacknowledged(t *testing.T) {
	sent := Sent{Run: "t", Seqs: []uint32{4}, Unacked: []identity{{0, 1}, {0, 3}}}
	m := sent.whole()
	m.remove(sent.id(0), 1) // one of the two did not arrive
	got, err := prove(t.Context(), m, sent, chunkReadings)
	if err != nil || !reflect.DeepEqual(got, Proof{Stored: 3}) {
		t.Errorf("got %+v, %v; want no fault among 3 rows", got, err)
	}
}

// TestProveAgainstCounting breaks tables at random and counts the damage in
// another way: by the multiset of identities.
func TestProveAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := Sent{Run: "r", Seqs: rapid.SliceOfN(rapid.Uint32Range(0, 9), 1, 8).Draw(t, "seqs")}
		var m memory
		want := Proof{}
		for device, seqs := range sent.Seqs {
			for seq := range uint64(seqs) {
				n := rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2, 3}).Draw(t, "rows")
				for range n {
					m.rows = append(m.rows, row{sent.id(uint32(device)), seq, coordinate{0, int64(len(m.rows))}})
				}
				if n == 0 {
					want.Missing++
				} else {
					want.Duplicated += uint64(n - 1)
				}
			}
			if rapid.Bool().Draw(t, "beyond") {
				m.rows = append(m.rows, row{sent.id(uint32(device)), uint64(seqs), coordinate{0, int64(len(m.rows))}})
				want.Unexpected++
			}
		}
		want.Stored = uint64(len(m.rows))
		got, err := prove(t.Context(), &m, sent, rapid.Uint64Range(1, 30).Draw(t, "chunk"))
		got.Examples = nil
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestSentIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	sent := Sent{Run: "t", Seed: 3, Topic: "telemetry", Seqs: []uint32{5, 0, 3}, Unacked: []identity{{2, 1}}}
	if err := sent.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := LoadSent(path)
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v, %v; want %+v", got, err, sent)
	}
	if _, err := LoadSent(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "--state") {
		t.Errorf("a file that is not there: %v; want the remedy named", err)
	}
}
