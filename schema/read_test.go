package schema_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"penstock/schema"

	"github.com/ClickHouse/ch-go/proto"
	"pgregory.net/rapid"
)

// row is one event as ClickHouse would hold it: nil is NULL, a time is
// milliseconds.
type row map[string]any

func everyType(t testing.TB) *schema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/every_type.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read sends the block over the wire, both of the ways ch-go has for it, and
// returns what ch-go's own columns make of it.
func read(t rapid.TB, s *schema.Schema, b *schema.Block) []row {
	t.Helper()
	input := b.Input()
	head := proto.Block{Columns: len(input), Rows: b.Rows()}
	var encoded proto.Buffer
	if err := head.EncodeBlock(&encoded, proto.Version, input); err != nil {
		t.Fatalf("encode: %v", err)
	}
	var written bytes.Buffer
	w := proto.NewWriter(&written, new(proto.Buffer))
	if err := head.WriteBlock(w, proto.Version, input); err != nil {
		t.Fatalf("write: %v", err)
	}
	if _, err := w.Flush(); err != nil {
		t.Fatalf("flush: %v", err)
	}
	if !bytes.Equal(encoded.Buf, written.Bytes()) {
		t.Fatalf("EncodeColumn and WriteColumn differ:\n%x\n%x", encoded.Buf, written.Bytes())
	}

	var results proto.Results
	values := make([]func(int) any, len(input))
	for i, c := range s.Columns() {
		data, value := reader(t, c)
		results = append(results, proto.ResultColumn{Name: c.Name, Data: data})
		values[i] = value
	}
	var got proto.Block
	in := proto.NewReader(&written)
	if err := got.DecodeBlock(in, proto.Version, results); err != nil {
		t.Fatalf("decode: %v", err)
	}
	if written.Len() > 0 {
		t.Fatalf("%d bytes follow the block", written.Len())
	}
	rows := make([]row, got.Rows)
	for i := range rows {
		rows[i] = row{}
		for j, c := range s.Columns() {
			rows[i][c.Name] = values[j](i)
		}
	}
	return rows
}

// reader returns ch-go's column for c, and a function that reads a row of it.
func reader(t rapid.TB, c schema.Column) (proto.ColResult, func(int) any) {
	switch c.Type {
	case schema.String:
		if c.LowCardinality {
			return of(c, new(proto.ColStr).LowCardinality())
		}
		return of(c, new(proto.ColStr))
	case schema.Bool:
		return of(c, new(proto.ColBool))
	case schema.Int8:
		return of(c, new(proto.ColInt8))
	case schema.Int16:
		return of(c, new(proto.ColInt16))
	case schema.Int32:
		return of(c, new(proto.ColInt32))
	case schema.Int64:
		return of(c, new(proto.ColInt64))
	case schema.UInt8:
		return of(c, new(proto.ColUInt8))
	case schema.UInt16:
		return of(c, new(proto.ColUInt16))
	case schema.UInt32:
		return of(c, new(proto.ColUInt32))
	case schema.UInt64:
		return of(c, new(proto.ColUInt64))
	case schema.Float32:
		return of(c, new(proto.ColFloat32))
	case schema.Float64:
		return of(c, new(proto.ColFloat64))
	case schema.TimestampMS:
		// Not as time.Time, which does not reach as far.
		return of(c, new(proto.ColDateTime64).WithPrecision(3).WithLocation(time.UTC).Raw())
	}
	t.Fatalf("no reader for type %s", c.Type)
	return nil, nil
}

func of[T any](c schema.Column, data proto.ColumnOf[T]) (proto.ColResult, func(int) any) {
	if !c.Nullable {
		return data, func(i int) any { return plain(data.Row(i)) }
	}
	null := proto.NewColNullable(data)
	return null, func(i int) any {
		if v := null.Row(i); v.Set {
			return plain(v.Value)
		}
		return nil
	}
}

func plain(v any) any {
	if t, ok := v.(proto.DateTime64); ok {
		return int64(t)
	}
	return v
}
