package schema_test

import (
	"slices"
	"testing"

	"penstock/schema"
)

// BenchmarkDecodeProtobuf is one event per op: those of BenchmarkDecodeJSON, and
// the same with two fields that the schema does not know.
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
	b.Run("known", func(b *testing.B) { decodeAll(b, schema.Protobuf, records) })
	for i := range records {
		records[i].Value = slices.Concat(records[i].Value, doubleField(27, 41.5), textField(28, `{"id":"gw-1","rssi":-61}`))
	}
	b.Run("unknown", func(b *testing.B) { decodeAll(b, schema.Protobuf, records) })
}
