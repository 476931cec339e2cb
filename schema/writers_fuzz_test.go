package schema_test

import (
	"testing"

	"penstock/schema"
)

// FuzzWriters: whatever a registry says a schema is, and whatever a record by it is,
// there is a row or a rejection.
func FuzzWriters(f *testing.F) {
	s := everyType(f)
	records := newRecords(f)
	for _, text := range []string{s.Avro(), records.text, wideAvro(3), `"string"`, `{"type":"record","name":"a","fields":[{"name":"b","type":"a"}]}`} {
		f.Add(true, text, siteless, framed(1, records.encode(f, nil)))
	}
	f.Add(false, s.Proto(), "", framed(1, []byte{0}, newMessages(f, s).encode(f, row{"device": "d", "seq": uint64(1), "at": int64(noon)})))
	f.Add(false, `syntax = "proto3"; import "ref"; message A { message B { string device = 1; } B b = 2; }`, `syntax = "proto3";`, framed(1, []byte{4, 0, 0}, []byte{10, 1, 'd'}))
	f.Fuzz(func(t *testing.T, avro bool, text, reference string, value []byte) {
		e := schema.Protobuf
		if avro {
			e = schema.Avro
		}
		w := schema.RegisteredWriters(e)
		w.Learn(1, schema.Written{Encoding: e, Text: text, References: []schema.Reference{{Name: "ref", Text: reference}}})
		d, err := schema.NewWrittenDecoder(s, w, fuzzMaxBytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, missing := w.Missing(value); missing {
			return
		}
		b := schema.NewBlock(s)
		_, err = d.Decode(schema.Record{Topic: "t", Time: noon, Value: value}, b)
		rows := 0
		if err == nil {
			rows = 1
		}
		for _, c := range b.Input() {
			if c.Data.Rows() != rows {
				t.Fatalf("column %s has %d rows, want %d; %v", c.Name, c.Data.Rows(), rows, err)
			}
		}
	})
}

// siteless is a schema that others may refer to.
const siteless = `{"type":"enum","name":"Site","symbols":["north"]}`

// FuzzSender: nothing that is rejected keeps the device that sent it from being
// looked for.
func FuzzSender(f *testing.F) {
	s := everyType(f)
	for _, value := range []string{``, `[[{"device":"d"`, `{"a":{"device":"x"},"device":"d"}`, "\x0a\x01d", "\x0b\x0a\x01d\x0c"} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, e := range schema.Encodings() {
			if device := s.Sender(e, value); len(device) > 3*len(value) {
				t.Fatalf("%s: a device of %d bytes in %d", e, len(device), len(value))
			}
		}
	})
}
