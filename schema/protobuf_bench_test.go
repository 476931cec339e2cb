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
	decodeAll(b, schema.Protobuf, records)
}
