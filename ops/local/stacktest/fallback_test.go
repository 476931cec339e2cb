package stacktest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go"
	"google.golang.org/protobuf/encoding/protowire"

	"penstock/schema"
)

// testFallback stores values under a schema that has no column for them, adds
// one of every type, and compares what is then read by its name with what a
// decoder of the newer schema makes of the same record.
func testFallback(t *testing.T, r *receiptsOf) {
	fields, number := "", 3
	for _, typ := range schema.Types() {
		for _, nullable := range []bool{true, false} {
			number++
			fields += fmt.Sprintf("  - {id: %d, name: %s_%v, type: %s, nullable: %v, since: 2}\n", number, typ, nullable, typ, nullable)
		}
	}
	newer := fleet(t, 2, fields)
	values := []string{
		`12`, `"12"`, `1.5`, `1.0`, `1e3`, `0`, `-0.0`, `-1`, `127`, `128`, `-128`, `-129`, `255`, `256`, `300`, `32767`, `32768`, `-32769`, `65535`, `65536`,
		`2147483647`, `2147483648`, `-2147483649`, `4294967295`, `4294967296`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `18446744073709551615`,
		`1e39`, `3.4028235e38`, `3.40282357e38`, `1e-50`, `0.1`, `16777217`, `true`, `false`, `null`, `"true"`, `""`, `"a\u0041\n\"é"`, `{"a":1}`, `[1]`, `[]`, `{}`,
		`"2026-11-22T10:11:12Z"`, `"2026-11-22T10:11:12.345678+02:00"`, `"2026-11-22"`, `"2026-11-22 10:11:12"`, `1763800000123`,
	}
	const at = 1_763_800_000_000
	var records []schema.Record
	for _, v := range values {
		var b bytes.Buffer
		fmt.Fprintf(&b, `{"device_id":"d","seq":%d,"ts":%d,"other":{"a":[1]}`, len(records), at)
		for _, c := range newer.Fields[3:] {
			fmt.Fprintf(&b, `,%q:%s`, c.Name, v)
		}
		b.WriteString("}")
		records = append(records, schema.Record{Offset: int64(len(records)), Time: at, Value: b.Bytes()})
	}
	compareFallback(t, r, newer, schema.JSON, records)

	records = nil
	message := func(add func(m []byte, number protowire.Number) []byte) {
		m := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "p")
		m = protowire.AppendVarint(protowire.AppendTag(m, 2, protowire.VarintType), uint64(len(records)))
		m = protowire.AppendVarint(protowire.AppendTag(m, 3, protowire.VarintType), at)
		for _, c := range newer.Fields[3:] {
			m = add(m, protowire.Number(c.ID))
		}
		records = append(records, schema.Record{Offset: 1000 + int64(len(records)), Time: at, Value: m})
	}
	for _, v := range []uint64{0, 1, 2, 127, 128, 253, 254, 255, 256, 257, 511, 512, 65534, 65535, 65536, 131071, 1<<32 - 1, 1 << 32, 1<<32 + 5, 1 << 63, 1<<64 - 2, 1<<64 - 1, at} {
		message(func(m []byte, n protowire.Number) []byte {
			return protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), v)
		})
		message(func(m []byte, n protowire.Number) []byte { // the last of a field wins
			for _, one := range []uint64{7, v} {
				m = protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), one)
			}
			return m
		})
	}
	for _, v := range []uint64{0, 0x3FF8000000000000, 0x7FF0000000000000, 0x7FF8000000000001, 0x8000000000000000, 0x7FEFFFFFFFFFFFFF} {
		message(func(m []byte, n protowire.Number) []byte {
			return protowire.AppendFixed64(protowire.AppendTag(m, n, protowire.Fixed64Type), v)
		})
	}
	for _, v := range []uint32{0, 0x3FC00000, 0x7F800000, 0x7FC00001, 0x7F7FFFFF, 0x3DCCCCCD} {
		message(func(m []byte, n protowire.Number) []byte {
			return protowire.AppendFixed32(protowire.AppendTag(m, n, protowire.Fixed32Type), v)
		})
	}
	for _, v := range []string{"", "text \" é", "12"} {
		message(func(m []byte, n protowire.Number) []byte {
			return protowire.AppendString(protowire.AppendTag(m, n, protowire.BytesType), v)
		})
	}
	compareFallback(t, r, newer, schema.Protobuf, records)
}

// compareFallback inserts the records by both schemas and compares the columns.
func compareFallback(t *testing.T, r *receiptsOf, newer *schema.Schema, e schema.Encoding, records []schema.Record) {
	t.Helper()
	ctx := t.Context()
	decode := func(s *schema.Schema, topic string) *schema.Block {
		b, d := schema.NewBlock(s), schema.NewDecoder(s, e, 1<<20)
		for _, record := range records {
			record.Topic = topic
			if _, err := d.Decode(record, b); err != nil {
				t.Fatalf("%s: %v", record.Value, err)
			}
		}
		return b
	}
	// The first half before the columns are there, the second after it.
	old := decode(r.schema, "old")
	half := old.Rows() / 2
	r.insertBlock(t, r.schema, old.Slice(0, half))
	for _, statement := range newer.AddColumns(r.tables, 1) {
		if err := r.conn.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	r.insertBlock(t, r.schema, old.Slice(half, old.Rows()))
	r.insertBlock(t, newer, decode(newer, "new"))
	for _, when := range []string{"", "OPTIMIZE TABLE " + r.schema.Hot(r.tables) + " FINAL"} {
		if when != "" {
			if err := r.conn.Exec(ctx, when); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range newer.Fields[3:] {
			name := schema.QuoteIdent(c.Name)
			query := fmt.Sprintf(`SELECT o.extra, toString(o.%[1]s), toString(n.%[1]s) FROM %[2]s AS o JOIN %[2]s AS n ON o._offset = n._offset
WHERE o._topic = 'old' AND n._topic = 'new' AND o.%[1]s IS DISTINCT FROM n.%[1]s LIMIT 3`, name, r.schema.Hot(r.tables))
			rows, err := r.conn.Query(ctx, query)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var extra string
				var got, want *string
				if err := rows.Scan(&extra, &got, &want); err != nil {
					t.Fatal(err)
				}
				show := func(s *string) string {
					if s == nil {
						return "NULL"
					}
					return *s
				}
				t.Errorf("%s %s%s: %s by its fallback, %s by the decoder: %.300s", e, c.Name, map[bool]string{true: " after a merge"}[when != ""], show(got), show(want), extra)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// insertBlock inserts a block as a node does that has the schema.
func (r *receiptsOf) insertBlock(t *testing.T, s *schema.Schema, b *schema.Block) {
	t.Helper()
	conn, err := ch.Dial(t.Context(), ch.Options{Address: r.at.Native, User: r.at.User, Password: r.at.Password})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range s.Columns() {
		names = append(names, schema.QuoteIdent(c.Name))
	}
	q := ch.Query{Body: fmt.Sprintf("INSERT INTO %s (%s) VALUES", s.Hot(r.tables), strings.Join(names, ", ")), Input: b.Input()}
	if err := conn.Do(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}
