package enrich

import (
	"fmt"
	"testing"

	"github.com/cespare/xxhash/v2"

	"penstock/schema"
)

// BenchmarkIndex is a lookup among a million devices, by this package's index and
// by Go's map.
func BenchmarkIndex(b *testing.B) {
	const devices = 1 << 20
	x, m := newIndex(), map[uint64]int32{}
	hashes := make([]uint64, devices)
	for i := range hashes {
		hashes[i] = xxhash.Sum64String(fmt.Sprintf("dev-%07d", i))
		x.put(hashes[i], int32(i))
		m[hashes[i]] = int32(i)
	}
	// In no order that any memory has.
	at := func(i int) uint64 { return hashes[i*7_654_321&(devices-1)] }
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if x.get(at(i)) == unknown {
				b.Fatal("a device is not known")
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if _, ok := m[at(i)]; !ok {
				b.Fatal("a device is not known")
			}
		}
	})
}

// BenchmarkFill is what a row costs whose three attributes are filled and whose
// reading is calibrated, in blocks of 10,000 rows of as many devices of a million.
func BenchmarkFill(b *testing.B) {
	const devices, rows = 1 << 20, 10_000
	s := fleetSchema(b)
	told := newTold(s)
	for i := range devices {
		device := fmt.Appendf(nil, "dev-%d", i)
		row := told.table.row(device)
		for name, text := range map[string]string{"model": fmt.Sprintf("model-%d", i%50), "floor": "3", "heat_scale": "1.01", "heat_offset": "-0.5"} {
			if err := told.table.attributes.SetText(row, name, text); err != nil {
				b.Fatal(err)
			}
		}
	}
	snapshot := told.table.snapshot()
	block, d := schema.NewBlock(s), schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
	const at = 1_793_000_000_000
	for i := range rows {
		value := fmt.Appendf(nil, `{"device":"dev-%d","seq":1,"at":%d,"heat":20}`, i*7_654_321&(devices-1), at)
		if _, err := d.Decode(schema.Record{Time: at, Value: value}, block); err != nil {
			b.Fatal(err)
		}
	}
	scratch := make([]int32, 0, rows)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, missing := snapshot.Fill(block, scratch); missing > 0 {
			b.Fatalf("%d devices are not known", missing)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/event")
	b.ReportMetric(float64(snapshot.Bytes())/devices, "B/device")
}
