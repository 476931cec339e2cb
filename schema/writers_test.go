package schema_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/schema"
)

// framed is a value in a registry's wire format.
func framed(id uint32, value ...[]byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), slices.Concat(value...)...)
}

// registered decodes what a registry's writers wrote.
type registered struct {
	schema  *schema.Schema
	writers *schema.Writers
	decoder *schema.Decoder
	block   *schema.Block
}

func newRegistered(t *testing.T, e schema.Encoding) *registered {
	t.Helper()
	s, w := everyType(t), schema.RegisteredWriters(e)
	d, err := schema.NewWrittenDecoder(s, w, schema.DefaultMaxRecordBytes)
	if err != nil {
		t.Fatal(err)
	}
	return &registered{s, w, d, schema.NewBlock(s)}
}

// gives fails unless the value is a rejection, or an event whose column has a
// value.
func (r *registered) gives(t *testing.T, value []byte, column string, want any) {
	t.Helper()
	if id, missing := r.writers.Missing(value); missing {
		t.Fatalf("schema id %d is missing", id)
	}
	_, err := r.decoder.Decode(schema.Record{Topic: "t", Time: noon, Value: value}, r.block)
	var got any
	if err != nil {
		column, got = "rejection", err.Error()
	} else {
		rows := read(t, r.schema, r.block)
		got = rows[len(rows)-1][column]
	}
	if got != want {
		t.Errorf("%s is\n%v\nwant\n%v", column, got, want)
	}
}

func TestRegisteredJSON(t *testing.T) {
	r := newRegistered(t, schema.JSON)
	// Its schema says nothing that the record does not.
	r.gives(t, framed(1<<31, []byte(event(`,"str":"a"`))), "str", "a")
	r.gives(t, []byte(event("")), "", "malformed: the record begins with byte 0x7b; want a zero and the id of a schema, since kafka.registry is set")
	r.gives(t, []byte{0, 0, 0, 1}, "", "malformed: the record has 4 bytes; want a zero and the four bytes of a schema's id before its value")
	r.gives(t, framed(1), "", "malformed: the record is blank")
}

func TestRegisteredAvro(t *testing.T) {
	r, records := newRegistered(t, schema.Avro), newRecords(t)
	value := framed(7, records.encode(t, map[string]any{"str": "a"}))
	if id, missing := r.writers.Missing(value); id != 7 || !missing {
		t.Errorf("id %d is missing: %v; want 7", id, missing)
	}
	r.writers.Learn(7, schema.Written{Encoding: schema.Avro, Text: records.text})
	r.gives(t, value, "str", "a")
	// Another firmware writes another way, and both go on.
	r.writers.Learn(8, schema.Written{Encoding: schema.Avro, Text: `{"type":"record","name":"r","fields":[{"name":"at","type":"Time"},{"name":"seq","type":"int"},{"name":"device","type":"string"}]}`,
		References: []schema.Reference{{Name: "Time", Text: `{"type":"record","name":"Time","fields":[]}`}}})
	r.gives(t, framed(8, []byte{2, 2, 'd'}), "", "schema: schema id 8: field at of the writer's schema is of type record, which is never a timestamp_ms, and required")
	short := `{"type":"record","name":"r","fields":[{"name":"kind","type":"Kind"},{"name":"seq","type":"int"},{"name":"at","type":"long"},{"name":"device","type":"string"}]}`
	r.writers.Learn(9, schema.Written{Encoding: schema.Avro, Text: short,
		References: []schema.Reference{{Name: "Kind", Text: `{"type":"enum","name":"Kind","symbols":["a","b"]}`}}})
	at := binary.AppendVarint(nil, noon)
	r.gives(t, framed(9, []byte{2, 4}, at, []byte{2, 'd'}), schema.ColExtra, `{"kind":"b"}`)
	r.gives(t, value, "str", "a")
	// What can be no event's is a reject each time, and not asked for again.
	r.writers.Learn(10, schema.Written{Encoding: schema.Protobuf, Text: "message M {}"})
	for range 2 {
		r.gives(t, framed(10, []byte{0}), "", "schema: schema id 10: it is a schema of protobuf; the topic's encoding is avro")
	}
	r.gives(t, []byte{1, 0, 0, 0, 7}, "", "malformed: the record begins with byte 0x01; want a zero and the id of a schema, since kafka.registry is set")
}

func TestRegisteredProtobuf(t *testing.T) {
	r := newRegistered(t, schema.Protobuf)
	const text = `syntax = "proto3";
import "common.proto";
message Other { string x = 1; }
message Fleet {
  message Event {
    uint64 seq = 3000;
    string device = 1;
    int64 at = 2;
    repeated string str = 4;
    double f64 = 5;
    Common common = 6;
  }
  message Lame { string device = 1; int64 at = 2; int32 seq = 3; }
}`
	r.writers.Learn(7, schema.Written{Encoding: schema.Protobuf, Text: text,
		References: []schema.Reference{{Name: "common.proto", Text: `syntax = "proto3"; message Common { bool a = 1; }`}}})
	r.writers.Learn(8, schema.Written{Encoding: schema.Protobuf, Text: r.schema.Proto()})
	r.writers.Learn(9, schema.Written{Encoding: schema.Protobuf, Text: "no proto"})
	message := slices.Concat(textField(1, "d"), varintField(2, noon), varintField(3000, 5), doubleField(5, 0.5))
	index := func(numbers ...int64) (b []byte) {
		for _, n := range numbers {
			b = binary.AppendVarint(b, n)
		}
		return b
	}
	r.gives(t, framed(7, index(2, 1, 0), message), "f64", 0.5)
	r.gives(t, framed(7, index(2, 1, 0), message), "seq", uint64(5))
	// a field of another type than its column's goes to extra by its number
	r.gives(t, framed(7, index(2, 1, 0), message, textField(4, "a")), schema.ColExtra, `{"4":{"string":"a"}}`)
	// the first message in short
	own := slices.Concat(textField(1, "d"), varintField(2, 5), varintField(3, noon))
	r.gives(t, framed(8, index(0), own), "seq", uint64(5))
	r.gives(t, framed(8, index(1, 0), own), "seq", uint64(5))
	r.gives(t, framed(7, index(0), own), "", "schema: message Other has no field device, which is required")
	r.gives(t, framed(7, index(2, 1, 1), own), "", "schema: field seq of message Fleet.Lame is optional int32 = 3, and required; want uint64, its number at most 4096")
	r.gives(t, framed(7, index(1, 9), own), "", "schema: the schema has no message [9]")
	for _, bad := range [][]byte{{}, index(-1), index(17), index(2, 1), index(1, -1), {0x80}} {
		r.gives(t, framed(7, bad), "", "malformed: the record does not say which message of its schema it is")
	}
	_, err := r.decoder.Decode(schema.Record{Topic: "t", Time: noon, Value: framed(9, index(0), own)}, r.block)
	if want := "schema: schema id 9: "; err == nil || fmt.Sprint(err)[:len(want)] != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// A number can be written in many ways, and there is nothing that a device cannot
// name; what is prepared for each message of a schema is prepared once.
func TestOddWaysToNameAMessage(t *testing.T) {
	r := newRegistered(t, schema.Protobuf)
	r.writers.Learn(1, schema.Written{Encoding: schema.Protobuf, Text: `syntax = "proto3"; message Other { }
message Outer { message Event { string device = 1; uint64 seq = 2; int64 at = 4000; } }`})
	event := slices.Concat(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "d"),
		protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 1), protowire.AppendVarint(protowire.AppendTag(nil, 4000, protowire.VarintType), noon))
	long := func(n byte, bytes int) []byte { // a zigzag number of so many bytes
		b := append([]byte{n << 1}, make([]byte, bytes-1)...)
		for i := range bytes - 1 {
			b[i] |= 0x80
		}
		return b
	}
	r.gives(t, framed(1, []byte{4, 2, 0}, event), "device", "d")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decoded := 0
	for i := range 9 {
		for j := range 9 {
			for k := range 9 {
				value := framed(1, long(2, i+1), long(1, j+1), long(0, k+1), event)
				if _, err := r.decoder.Decode(schema.Record{Topic: "t", Time: noon, Value: value}, r.block); err != nil {
					t.Fatal(err)
				}
				if _, err := r.decoder.Decode(schema.Record{Topic: "t", Time: noon, Value: framed(1, long(1, i+1), long(byte(j+2), k+1), event)}, r.block); err == nil {
					t.Fatal("a message that is not there was read")
				}
				decoded += 2
			}
		}
	}
	runtime.ReadMemStats(&after)
	if each := int(after.TotalAlloc-before.TotalAlloc) / decoded; each > 2000 {
		t.Errorf("%d bytes were allocated for each of %d records", each, decoded)
	}
}
