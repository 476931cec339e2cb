package enrich

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"penstock/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const fleet = `name: fleet
version: 1
identity: [device, seq]
device: device
time: {field: at, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: at, type: timestamp_ms, required: true}
  - {id: 4, name: heat, type: float32, nullable: true, calibrate: heat}
  - {id: 5, name: model, type: string, low_cardinality: true, from: device}
  - {id: 6, name: floor, type: int8, nullable: true, from: device}
`

func fleetSchema(t testing.TB) *schema.Schema {
	t.Helper()
	s, err := schema.Parse([]byte(fleet))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestIndexAgainstMap: whatever is put and removed, a hash has the row that was
// put last, and no other has one. Few bits of the hash differ, so that runs of
// slots meet and wrap around.
func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, want := newIndex(), map[uint64]int32{}
		hash := rapid.Custom(func(t *rapid.T) uint64 {
			return rapid.Uint64Range(0, 31).Draw(t, "home")<<59 | rapid.Uint64Range(0, 7).Draw(t, "rest")
		})
		for i := range rapid.IntRange(0, 200).Draw(t, "steps") {
			h := hash.Draw(t, "hash")
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				x.remove(h)
				delete(want, h)
			} else {
				x.put(h, int32(i))
				want[h] = int32(i)
			}
			if x.used != len(want) {
				t.Fatalf("%d are used of %d", x.used, len(want))
			}
		}
		for home := range uint64(32) {
			for rest := range uint64(8) {
				h := home<<59 | rest
				row, ok := want[h]
				if !ok {
					row = unknown
				}
				if got := x.get(h); got != row {
					t.Fatalf("hash %x has row %d, want %d", h, got, row)
				}
			}
		}
	})
}

// TestSnapshotsDoNotChange: a snapshot tells what was known when it was taken.
func TestSnapshotsDoNotChange(t *testing.T) {
	s := fleetSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		told := newTold(s)
		now := map[string]string{} // model of each device
		type moment struct {
			snapshot *Snapshot
			models   map[string]string
		}
		var moments []moment
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			device := fmt.Sprintf("dev-%d", rapid.IntRange(0, 9).Draw(t, "device"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				told.table.remove([]byte(device))
				delete(now, device)
			case 1:
				models := map[string]string{}
				for d, m := range now {
					models[d] = m
				}
				moments = append(moments, moment{told.table.snapshot(), models})
			default:
				model := fmt.Sprintf("m%d", rapid.IntRange(0, 5).Draw(t, "model"))
				told.object("", []byte(device), fmt.Appendf(nil, `{"model":%q}`, model))
				now[device] = model
			}
		}
		for _, m := range moments {
			if m.snapshot.Devices() != len(m.models) {
				t.Fatalf("%d devices, want %d", m.snapshot.Devices(), len(m.models))
			}
			b := blockOf(t, s, 10)
			_, missing := m.snapshot.Fill(b, nil)
			if missing != 10-len(m.models) {
				t.Fatalf("%d rows of unknown devices, want %d", missing, 10-len(m.models))
			}
			for i, got := range modelsOf(t, b) {
				if want := m.models[fmt.Sprintf("dev-%d", i)]; got != want {
					t.Fatalf("dev-%d is a %q, want %q", i, got, want)
				}
			}
		}
	})
}

// blockOf has an event of each of dev-0 to dev-(n-1).
func blockOf(t rapid.TB, s *schema.Schema, n int) *schema.Block {
	t.Helper()
	b, d := schema.NewBlock(s), schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
	const at = 1_793_000_000_000
	for i := range n {
		value := fmt.Appendf(nil, `{"device":"dev-%d","seq":1,"at":%d,"heat":20}`, i, at)
		if _, err := d.Decode(schema.Record{Time: at, Value: value}, b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestIndexKeepsItsOrderWhenItGrows(t *testing.T) {
	x := newIndex()
	var hashes []uint64
	for i := range 10_000 {
		h := xxhash.Sum64String(fmt.Sprint(i))
		x.put(h, int32(i))
		hashes = append(hashes, h)
	}
	for i, h := range hashes {
		if x.get(h) != int32(i) {
			t.Fatalf("hash %x has row %d, want %d", h, x.get(h), i)
		}
	}
	if i := slices.IndexFunc(hashes, func(h uint64) bool { return x.get(h+1) != unknown }); i >= 0 {
		t.Errorf("hash %x was never put", hashes[i]+1)
	}
}
