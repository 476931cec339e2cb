package block

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/fetch"
)

// revision is one in which both additions to a block are there.
const revision = 54460

func copyOf(data []byte) *Copier {
	return &Copier{In: bufio.NewReaderSize(bytes.NewReader(data), BufferSize)}
}

// Blocks of every type, as the engine writes them, are the same after a way to
// the client and back, and are read to their last byte.
func TestEveryTypeThereAndBack(t *testing.T) {
	cache, err := fetch.Fetched(t.Context(), os.Stderr, fetch.ClickHouse)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Config{Lib: cache.Path(fetch.ClickHouse), Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	conn, err := e.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec("SET allow_suspicious_low_cardinality_types = 1, enable_time_time64_type = 1, allow_experimental_nullable_tuple_type = 1, allow_experimental_bfloat16_type = 1"); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{
		"UInt8", "UInt16", "UInt32", "UInt64", "UInt128", "UInt256", "Int8", "Int16", "Int32", "Int64", "Int128", "Int256",
		"Float32", "Float64", "BFloat16", "Bool", "String", "FixedString(7)", "UUID", "IPv4", "IPv6",
		"Date", "Date32", "DateTime", "DateTime('Asia/Tokyo')", "DateTime64(3)", "DateTime64(9, 'UTC')", "Time", "Time64(3)", "IntervalDay",
		"Decimal(9, 2)", "Decimal(18, 4)", "Decimal(38, 10)", "Decimal(76, 20)", "Decimal32(3)",
		"Enum8('a' = 1, 'b)\\'c' = 2)", "Enum16('x' = 300)",
		"Nullable(String)", "Nullable(UInt64)", "Array(String)", "Array(Array(Nullable(Int32)))",
		"LowCardinality(String)", "LowCardinality(Nullable(String))", "LowCardinality(UInt32)", "LowCardinality(FixedString(3))",
		"Array(LowCardinality(String))", "Map(String, UInt64)", "Map(LowCardinality(String), Array(LowCardinality(String)))",
		"Tuple(UInt8, String)", "Tuple(a UInt8, `b c` LowCardinality(String), d Tuple(e Array(UInt8)))", "Tuple()", "Nullable(Tuple(UInt8, String))",
		"Array(Tuple(a LowCardinality(String), b Nullable(Float32)))", "Point", "Ring", "Polygon", "MultiPolygon", "LineString", "MultiLineString",
		"SimpleAggregateFunction(sum, UInt64)", "Nested(a UInt8, b String)",
	} {
		source := fmt.Sprintf("generateRandom($$x %s$$, 1, 12, 3)", typ)
		if notRandom[typ] {
			source = fmt.Sprintf("(SELECT CAST(number %% 100 AS %s) AS x FROM numbers(1000))", typ)
		}
		sizes := []int{1, 1000}
		if typ == "LowCardinality(UInt32)" {
			sizes = append(sizes, 100_000) // its index is wider
		}
		for _, rows := range sizes {
			piece, err := conn.Fetch(fmt.Sprintf("SELECT x, 1 :: UInt8 AS after FROM %s LIMIT %d SETTINGS max_block_size = 100000", source, rows), "Native")
			if err != nil {
				t.Errorf("%s: %v", typ, err)
				continue
			}
			there := copyOf(piece)
			h, err := there.FromEngine(revision)
			if err != nil || h.Rows != rows || len(h.Columns) != 2 {
				t.Errorf("%s to the client: %v, %d rows", typ, err, h.Rows)
				continue
			}
			if rest := there.In.Buffered(); rest > 0 {
				t.Errorf("%s: %d bytes of the engine's block are left", typ, rest)
			}
			back := copyOf(there.Out)
			if _, err := back.FromClient(revision); err != nil {
				t.Errorf("%s from the client: %v", typ, err)
				continue
			}
			if !bytes.Equal(back.Out, piece) {
				t.Errorf("%s: %d bytes came back of %d, and not the same", typ, len(back.Out), len(piece))
			}
		}
	}
}

// notRandom are the types generateRandom has no values for.
var notRandom = map[string]bool{"BFloat16": true, "Time": true, "Time64(3)": true, "IntervalDay": true}

// Whatever a client sends is a block or an error, and takes memory in
// proportion to what it sent.
func FuzzFromClient(f *testing.F) {
	for _, typ := range []string{"UInt8", "String", "Array(LowCardinality(Nullable(String)))", "Tuple(a Map(String, UInt8))", "FixedString(1000000)", "JSON"} {
		var c Copier
		c.Describe([]Column{{"x", typ}}, revision)
		f.Add(c.Out)
		c.Out[len(c.Out)-len(typ)-5]++ // a row, and then?
		f.Add(append(c.Out, 1, 2, 3))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := copyOf(data)
		if _, err := c.FromClient(revision); err != nil && len(c.Out) > 2*len(data)+(2<<20) {
			t.Errorf("%d bytes out of %d", len(c.Out), len(data))
		}
	})
}

// Columns of a node's blocks: strings are found by their lengths, all else is
// bytes.
func BenchmarkFromClient(b *testing.B) {
	const rows = 100_000
	strings, numbers := []byte{0}, []byte{0}
	for range rows {
		strings = append(append(strings, 16), "0123456789abcdef"...)
		numbers = append(numbers, "12345678"...)
	}
	for name, column := range map[string]struct {
		typ  string
		data []byte
	}{"String": {"String", strings}, "UInt64": {"UInt64", numbers}} {
		b.Run(name, func(b *testing.B) {
			var head proto.Buffer
			proto.BlockInfo{BucketNum: -1}.Encode(&head)
			head.PutInt(1)
			head.PutInt(rows)
			head.PutString("x")
			head.PutString(column.typ)
			sent := append(head.Buf, column.data...)
			source := bytes.NewReader(nil)
			c := &Copier{In: bufio.NewReaderSize(source, BufferSize)}
			b.ReportAllocs()
			for b.Loop() {
				source.Reset(sent)
				c.In.Reset(source)
				c.Out = c.Out[:0]
				if _, err := c.FromClient(revision); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
