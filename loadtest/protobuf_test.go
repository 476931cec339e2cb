package loadtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/schema"
)

// unpack returns a message's fields by number: uint64 for what is a varint or
// fixed, string for what has a length.
func unpack(t *testing.T, b []byte) map[protowire.Number]any {
	t.Helper()
	fields := map[protowire.Number]any{}
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatalf("% x: %v", b, protowire.ParseError(n))
		}
		b = b[n:]
		if _, twice := fields[number]; twice {
			t.Fatalf("field %d twice", number)
		}
		switch wire {
		case protowire.VarintType:
			fields[number], n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			fields[number] = uint64(v)
		case protowire.Fixed64Type:
			fields[number], n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			fields[number], n = protowire.ConsumeString(b)
		default:
			t.Fatalf("field %d has wire type %d", number, wire)
		}
		if n < 0 {
			t.Fatalf("field %d: %v", number, protowire.ParseError(n))
		}
		b = b[n:]
	}
	return fields
}

// wired is what a message has for a value that JSON has, by the schema's type.
func wired(t *testing.T, typ schema.Type, value any) any {
	t.Helper()
	if s, ok := value.(string); ok {
		return s
	}
	if b, ok := value.(bool); ok {
		return protowire.EncodeBool(b)
	}
	text := value.(json.Number).String()
	switch typ {
	case schema.Float32:
		v, err := strconv.ParseFloat(text, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint64(math.Float32bits(float32(v)))
	case schema.Float64:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return math.Float64bits(v)
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	switch typ {
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		return protowire.EncodeZigZag(v)
	}
	return uint64(v)
}

// TestProtobufSaysWhatJSONSays: a message has exactly the fields that have a
// value of the schema's type in JSON, under the schema's ids, and the same
// values; and of the others what they are in JSON.
func TestProtobufSaysWhatJSONSays(t *testing.T) {
	unknown := map[string]protowire.Number{"torque": fieldTorque, "gateway": fieldGateway, "diagnosis": fieldDiagnosis}
	known := map[string]schema.Column{}
	for _, f := range schema.Telemetry().Fields {
		known[f.Name] = f
		if f.ID >= fieldTorque {
			t.Errorf("field %s has id %d, which the fleet takes for fields the schema does not know", f.Name, f.ID)
		}
	}
	asJSON, asProtobuf := newEncoder("test", 7, schema.JSON), newEncoder("test", 7, schema.Protobuf)
	seen := map[protowire.Number]int{}
	for i := range uint32(5000) {
		ev := event{device: i % 97, seq: i / 97, ts: testStart.UnixMilli() + int64(i)}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(asJSON.event(nil, ev), &object); err != nil {
			t.Fatal(err)
		}
		want := map[protowire.Number]any{}
		for name, raw := range object {
			f, ok := known[name]
			switch {
			case !ok && raw[0] == '{':
				want[unknown[name]] = string(raw)
			case !ok:
				want[unknown[name]] = wired(t, schema.Float64, json.Number(raw))
			case string(raw) == "null" || f.Type != schema.String && raw[0] == '"': // not sent
			case raw[0] == '"':
				var s string
				if err := json.Unmarshal(raw, &s); err != nil {
					t.Fatal(err)
				}
				want[protowire.Number(f.ID)] = s
			case raw[0] == 't' || raw[0] == 'f':
				want[protowire.Number(f.ID)] = wired(t, f.Type, raw[0] == 't')
			default:
				want[protowire.Number(f.ID)] = wired(t, f.Type, json.Number(raw))
			}
		}
		message := asProtobuf.event(nil, ev)
		got := unpack(t, message)
		if !maps.Equal(got, want) {
			t.Fatalf("%+v is\n%v, want\n%v", ev, got, want)
		}
		for number := range got {
			seen[number]++
		}
		if len(message) > 350 {
			t.Errorf("a message has %d bytes", len(message))
		}
	}
	for _, number := range append(slices.Collect(maps.Values(unknown)), 1, 26) {
		if seen[number] == 0 {
			t.Errorf("no message has field %d: %s", number, fmt.Sprint(seen))
		}
	}
}

// BenchmarkEvent is one event per op.
func BenchmarkEvent(b *testing.B) {
	for _, encoding := range encodings {
		b.Run(string(encoding), func(b *testing.B) {
			e := newEncoder("test", 7, encoding)
			var buf []byte
			b.ReportAllocs()
			for i := uint32(0); b.Loop(); i++ {
				buf = e.event(buf[:0], event{device: i % 10_000, seq: i / 10_000, ts: 1_790_000_000_000})
			}
			b.ReportMetric(float64(len(buf)), "bytes")
		})
	}
}
