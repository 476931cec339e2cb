package schema_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"penstock/schema"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

// messages reads and writes events of a schema as Google's implementation does,
// with what another compiler makes of the schema's .proto file.
type messages struct {
	schema     *schema.Schema
	descriptor protoreflect.MessageDescriptor
}

func newMessages(t testing.TB, s *schema.Schema) messages {
	t.Helper()
	return messages{s, compileProto(t, s)}
}

func (m messages) field(c schema.Column) protoreflect.FieldDescriptor {
	return m.descriptor.Fields().ByNumber(protoreflect.FieldNumber(c.ID))
}

// encode returns the event of the values; one that is nil is absent.
func (m messages) encode(t rapid.TB, values row) []byte {
	t.Helper()
	message := dynamicpb.NewMessage(m.descriptor)
	for _, c := range m.schema.Fields {
		switch v := values[c.Name].(type) {
		case nil:
		case int8, int16:
			message.Set(m.field(c), protoreflect.ValueOf(int32(toInt64(v))))
		case uint8, uint16:
			message.Set(m.field(c), protoreflect.ValueOf(uint32(toInt64(v))))
		default:
			message.Set(m.field(c), protoreflect.ValueOf(v))
		}
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func toInt64(v any) int64 {
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return n
}

// held is what extra has to hold: the values that do not fit, by name, and the
// fields nobody knows, by number and wire type, each in their order.
type held struct {
	misfits map[string]string
	unknown map[string][]string
}

// reference says what a record has to become, by unmarshalling it with no
// thought of speed: the row, or the reasons of which one has to be given.
func (m messages) reference(r schema.Record, maxBytes int) (want row, extra held, reasons []schema.Reason) {
	refuse := func(reason schema.Reason) { reasons = append(reasons, reason) }
	extra = held{map[string]string{}, map[string][]string{}}
	if len(r.Value) == 0 {
		return nil, extra, []schema.Reason{schema.ReasonEmpty}
	}
	if len(r.Value) > maxBytes {
		return nil, extra, []schema.Reason{schema.ReasonTooLarge}
	}
	message := dynamicpb.NewMessage(m.descriptor)
	if proto.Unmarshal(r.Value, message) != nil {
		return nil, extra, []schema.Reason{schema.ReasonMalformed}
	}
	extra.unknown = occurrences(message.GetUnknown())
	want = row{schema.ColTopic: r.Topic, schema.ColPartition: r.Partition, schema.ColOffset: r.Offset, schema.ColIngestedAt: r.Time, schema.ColIndex: r.Index}
	for _, c := range m.schema.Fields {
		zero, _ := goValue(c.Type, nil)
		if c.Nullable {
			zero = nil
		}
		want[c.Name] = zero
		if !message.Has(m.field(c)) {
			if c.Required {
				refuse(schema.ReasonMissing)
				refuse(schema.ReasonType) // or it came in another wire type
			}
			continue
		}
		v := message.Get(m.field(c)).Interface()
		narrow, fits := narrowed(c.Type, v)
		switch {
		case fits:
			want[c.Name] = narrow
		case c.Required:
			refuse(schema.ReasonType)
		default:
			extra.misfits[c.Name] = fmt.Sprint(v)
		}
	}
	if want[m.schema.Device] == "" {
		refuse(schema.ReasonMissing)
	}
	at, _ := want[m.schema.Time.Field].(int64)
	if t := time.UnixMilli(at); t.Before(m.schema.Time.NotBefore) || t.After(time.UnixMilli(r.Time).Add(m.schema.Time.MaxAhead)) {
		refuse(schema.ReasonTime)
	}
	return want, extra, reasons
}

// narrowed returns the value of a message as that of a column.
func narrowed(t schema.Type, v any) (any, bool) {
	switch v := v.(type) {
	case int32:
		switch t {
		case schema.Int8:
			return int8(v), v >= math.MinInt8 && v <= math.MaxInt8
		case schema.Int16:
			return int16(v), v >= math.MinInt16 && v <= math.MaxInt16
		}
	case uint32:
		switch t {
		case schema.UInt8:
			return uint8(v), v <= math.MaxUint8
		case schema.UInt16:
			return uint16(v), v <= math.MaxUint16
		}
	case float32:
		return v, !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	return v, true
}

// occurrences lists the values of fields that are valid protobuf.
func occurrences(fields []byte) map[string][]string {
	out := map[string][]string{}
	for len(fields) > 0 {
		number, wire, n := protowire.ConsumeTag(fields)
		fields = fields[n:]
		var value string
		switch n = protowire.ConsumeFieldValue(number, wire, fields); wire {
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(fields)
			value = fmt.Sprint(v)
		case protowire.Fixed64Type:
			v, _ := protowire.ConsumeFixed64(fields)
			value = fmt.Sprint(v)
		case protowire.Fixed32Type:
			v, _ := protowire.ConsumeFixed32(fields)
			value = fmt.Sprint(v)
		case protowire.BytesType:
			v, _ := protowire.ConsumeBytes(fields)
			value = string(v)
		case protowire.StartGroupType:
			v, _ := protowire.ConsumeGroup(number, fields)
			value = string(v)
		}
		name := fmt.Sprint(number, " ", wire)
		out[name] = append(out[name], value)
		fields = fields[n:]
	}
	return out
}

// regained returns what an extra column says, or how it says it wrongly.
func regained(extra string) (held, error) {
	out := held{map[string]string{}, map[string][]string{}}
	if extra == "" {
		return out, nil
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal([]byte(extra), &members); err != nil {
		return out, err
	}
	for name, raw := range members {
		if _, err := strconv.Atoi(name); err != nil {
			text, isText := unmarshal[string](raw)
			if !isText {
				text = string(raw)
			}
			out.misfits[name] = map[any]string{"Infinity": "+Inf", "-Infinity": "-Inf"}[text]
			if out.misfits[name] == "" {
				out.misfits[name] = text.(string)
			}
			continue
		}
		var readings map[string]jsontext.Value
		if err := json.Unmarshal(raw, &readings); err != nil {
			return out, err
		}
		for reading, raw := range readings {
			values := []jsontext.Value{raw}
			if raw.Kind() == jsontext.KindBeginArray {
				if err := json.Unmarshal(raw, &values); err != nil || len(values) < 2 {
					return out, fmt.Errorf("%s is an array of %d values: %w", raw, len(values), err)
				}
			}
			for _, value := range values {
				wire, back, err := unread(reading, value)
				if err != nil {
					return out, fmt.Errorf("%s of %s: %w", value, name, err)
				}
				key := fmt.Sprint(name, " ", wire)
				out.unknown[key] = append(out.unknown[key], back)
			}
		}
	}
	return out, nil
}

// unread returns the wire type of a reading, and the value it was read from.
func unread(reading string, raw jsontext.Value) (protowire.Type, string, error) {
	var text string
	if raw.Kind() == jsontext.KindString {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, "", err
		}
	}
	switch reading {
	case "varint":
		return protowire.VarintType, string(raw), nil
	case "double":
		v, err := strconv.ParseFloat(string(raw), 64)
		return protowire.Fixed64Type, fmt.Sprint(math.Float64bits(v)), err
	case "fixed64":
		return protowire.Fixed64Type, string(raw), nil
	case "float":
		v, err := strconv.ParseFloat(string(raw), 32)
		return protowire.Fixed32Type, fmt.Sprint(math.Float32bits(float32(v))), err
	case "fixed32":
		return protowire.Fixed32Type, string(raw), nil
	case "string":
		return protowire.BytesType, text, nil
	case "bytes", "group":
		wire := map[string]protowire.Type{"bytes": protowire.BytesType, "group": protowire.StartGroupType}[reading]
		v, err := base64.StdEncoding.DecodeString(text)
		return wire, string(v), err
	}
	return 0, "", fmt.Errorf("reading %q is none of the documented", reading)
}

// hold decodes r into a block that holds a row, and holds the outcome against
// the reference.
func (m messages) hold(t rapid.TB, d *schema.Decoder, r schema.Record, maxBytes int) {
	t.Helper()
	b := schema.NewBlock(m.schema)
	before := schema.Record{Topic: "t", Offset: 1, Time: noon, Value: m.encode(t, row{"device": "d", "seq": uint64(1), "at": int64(noon)})}
	if _, err := d.Decode(before, b); err != nil {
		t.Fatal(err)
	}
	// In a fetch the next record stands behind the value.
	fetched := slices.Concat(r.Value, []byte("next"))
	value := string(r.Value)
	r.Value = fetched[:len(r.Value)]
	want, extra, reasons := m.reference(r, maxBytes)
	key, err := d.Decode(r, b)
	if string(fetched) != value+"next" {
		t.Fatalf("the fetch was written to: %q", fetched)
	}
	rows := 2
	if err != nil {
		rows = 1
	}
	for _, c := range b.Input() {
		if c.Data.Rows() != rows {
			t.Fatalf("column %s has %d rows, want %d", c.Name, c.Data.Rows(), rows)
		}
	}
	if err != nil {
		var rejection *schema.Rejection
		if !errors.As(err, &rejection) || !slices.Contains(reasons, rejection.Reason) {
			t.Fatalf("%x: error is %v, want a rejection for one of %v", r.Value, err, reasons)
		}
		return
	}
	if len(reasons) > 0 {
		t.Fatalf("%x: accepted, want a rejection for one of %v", r.Value, reasons)
	}
	got := read(t, m.schema, b)[1]
	back, err := regained(got[schema.ColExtra].(string))
	if err != nil || fmt.Sprint(back) != fmt.Sprint(extra) {
		t.Fatalf("%x: extra is %s, which says %q (%v), want %q", r.Value, got[schema.ColExtra], back, err, extra)
	}
	if key.Extra != (got[schema.ColExtra] != "") {
		t.Fatalf("%x: extra is %s and the key says %v", r.Value, got[schema.ColExtra], key.Extra)
	}
	want[schema.ColExtra] = got[schema.ColExtra]
	for _, c := range m.schema.Columns() {
		if !same(got[c.Name], want[c.Name]) {
			t.Fatalf("%x: %s is %#v, want %#v", r.Value, c.Name, got[c.Name], want[c.Name])
		}
	}
	if day := schema.DayOf(want["at"].(int64)); key.Day != day || key.Identity.Seq != want["seq"] {
		t.Fatalf("key is %+v, want seq %v of %v", key, want["seq"], day)
	}
}
