package schema_test

import (
	"testing"

	"penstock/schema"
)

// BenchmarkDecodeProtobuf is one event per op: those of BenchmarkDecodeJSON.
func BenchmarkDecodeProtobuf(b *testing.B) {
	s := schema.Telemetry()
	records := telemetryRecords(b)
	m := newMessages(b, s)
	for i, r := range records {
		values, extra, reasons := reference(s, r, schema.DefaultMaxRecordBytes)
		if len(extra) > 0 || len(reasons) > 0 {
			b.Fatalf("%s: extra %v, rejected for %v", r.Value, extra, reasons)
		}
		records[i].Value = m.encode(b, values)
	}
	d, block := schema.NewDecoder(s, schema.Protobuf, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
	b.SetBytes(int64(len(records[0].Value)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%benchRows == 0 {
			block.Reset()
		}
		if _, err := d.Decode(records[i%benchRows], block); err != nil {
			b.Fatal(err)
		}
	}
}
