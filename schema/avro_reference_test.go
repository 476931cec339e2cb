package schema_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"penstock/schema"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/avro"
	"pgregory.net/rapid"
)

// records reads and writes what testdata/writer.avsc declares as another
// implementation does.
type records struct {
	schema *schema.Schema
	text   string
	codec  *avro.Schema // without the logical types, of which it would make other Go types
}

func newRecords(t testing.TB) records {
	t.Helper()
	text, err := os.ReadFile("testdata/writer.avsc")
	if err != nil {
		t.Fatal(err)
	}
	codec, err := avro.Parse(regexp.MustCompile(`, "logicalType": "[a-z-]+"`).ReplaceAllString(string(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return records{everyType(t), string(text), codec}
}

func (r records) decoder(t testing.TB, maxBytes int) *schema.Decoder {
	t.Helper()
	w, err := schema.PlainAvro(r.text)
	if err != nil {
		t.Fatal(err)
	}
	d, err := schema.NewWrittenDecoder(r.schema, w, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// least is a record with nothing that can be null.
func least() map[string]any {
	return map[string]any{"seq": int64(1), "at": int64(noon) * 1000, "device_name": "d", "dict": "warn", "yes": true, "i16": int32(-3),
		"i8": nil, "f32": nil, "f64": nil, "str": nil, "str_null": nil, "yes_null": nil, "u8": nil, "u64": nil, "time": nil, "late": nil, "more": nil}
}

// encode returns the least record with other values.
func (r records) encode(t rapid.TB, values map[string]any) []byte {
	t.Helper()
	all := least()
	for name, v := range values {
		all[name] = v
	}
	out, err := r.codec.Encode(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// notMoments are fields of which a number is not milliseconds: local time is
// none, and of the others it is a thousand.
var microseconds, notMoments = []string{"at"}, []string{"late"}

// reference says what a record has to become: the row and the members of extra,
// or the reasons of which one has to be given.
func (r records) reference(rec schema.Record, maxBytes int) (want row, extra map[string]any, reasons []schema.Reason) {
	refuse := func(reason schema.Reason) { reasons = append(reasons, reason) }
	if len(rec.Value) == 0 {
		return nil, nil, []schema.Reason{schema.ReasonEmpty}
	}
	if len(rec.Value) > maxBytes {
		return nil, nil, []schema.Reason{schema.ReasonTooLarge}
	}
	var decoded any
	rest, err := r.codec.Decode(rec.Value, &decoded)
	fields, _ := decoded.(map[string]any)
	if err != nil || len(rest) > 0 || !isUTF8(fields) {
		// What stands before the fault may be reason enough.
		return nil, nil, schema.Reasons()
	}
	extra = map[string]any{}
	want = row{schema.ColTopic: rec.Topic, schema.ColPartition: rec.Partition, schema.ColOffset: rec.Offset, schema.ColIngestedAt: rec.Time, schema.ColIndex: rec.Index}
	if levels(fields["more"]) > 64 {
		refuse(schema.ReasonNesting)
	}
	if fields["more"] != nil {
		extra["more"] = fields["more"]
	}
	fields["device"] = fields["device_name"]
	for _, c := range r.schema.Fields {
		zero, _ := goValue(c.Type, nil)
		if c.Nullable {
			zero = nil
		}
		want[c.Name] = zero
		if v := fields[c.Name]; v != nil {
			fit, fits := fitted(c, v)
			switch {
			case fits:
				want[c.Name] = fit
			case c.Required:
				refuse(schema.ReasonType)
			default:
				extra[c.Name] = v
			}
		}
	}
	if want[r.schema.Device] == "" {
		refuse(schema.ReasonMissing)
	}
	at, _ := want[r.schema.Time.Field].(int64)
	if t := time.UnixMilli(at); t.Before(r.schema.Time.NotBefore) || t.After(time.UnixMilli(rec.Time).Add(r.schema.Time.MaxAhead)) {
		refuse(schema.ReasonTime)
	}
	return want, extra, reasons
}

// fitted returns the value of a record as that of a column.
func fitted(c schema.Column, v any) (any, bool) {
	switch v := v.(type) {
	case bool:
		return v, c.Type == schema.Bool
	case string:
		if c.Type == schema.TimestampMS {
			t, err := time.Parse(time.RFC3339, v)
			return t.UnixMilli(), err == nil
		}
		return v, c.Type == schema.String
	case []byte:
		return string(v), c.Type == schema.String && c.Name != "str_null" && utf8.Valid(v) // which has a fixed
	case float32:
		return fittedReal(c, float64(v))
	case float64:
		return fittedReal(c, v)
	case int32:
		return fittedWhole(c, int64(v))
	case int64:
		return fittedWhole(c, v)
	}
	return nil, false
}

func fittedReal(c schema.Column, v float64) (any, bool) {
	if c.Type == schema.Float32 {
		return float32(v), !math.IsNaN(v) && !math.IsInf(float64(float32(v)), 0)
	}
	return v, c.Type == schema.Float64 && !math.IsNaN(v) && !math.IsInf(v, 0)
}

func fittedWhole(c schema.Column, n int64) (any, bool) {
	switch {
	case c.Type == schema.Float32:
		return float32(n), true
	case c.Type == schema.Float64:
		return float64(n), true
	case c.Type == schema.TimestampMS && slices.Contains(microseconds, c.Name):
		return time.UnixMicro(n).UnixMilli(), true
	case c.Type == schema.TimestampMS:
		return n, !slices.Contains(notMoments, c.Name)
	case c.Type == schema.String || c.Type == schema.Bool:
		return nil, false
	}
	return goValue(c.Type, jsontext.Value(strconv.FormatInt(n, 10)))
}

func isUTF8(v any) bool {
	switch v := v.(type) {
	case string:
		return utf8.ValidString(v)
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !isUTF8(e) })
	case map[string]any:
		for name, e := range v {
			if !utf8.ValidString(name) || !isUTF8(e) {
				return false
			}
		}
	}
	return true
}

func levels(v any) (deepest int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			deepest = max(deepest, levels(e))
		}
		return deepest + 1
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, levels(e))
		}
		return deepest + 1
	}
	return 0
}

// says is whether JSON says what a value is.
func says(raw jsontext.Value, v any) bool {
	switch v := v.(type) {
	case nil:
		return string(raw) == "null"
	case bool:
		return string(raw) == strconv.FormatBool(v)
	case int32, int64:
		return string(raw) == fmt.Sprint(v)
	case float32:
		return saysReal(raw, float64(v), 32)
	case float64:
		return saysReal(raw, v, 64)
	case string:
		got, ok := unmarshal[string](raw)
		return ok && got == v
	case []byte:
		got, ok := unmarshal[string](raw)
		var chars []rune
		for _, c := range v {
			chars = append(chars, rune(c))
		}
		return ok && got == string(chars)
	case []any:
		var got []jsontext.Value
		return json.Unmarshal(raw, &got) == nil && len(got) == len(v) && !slices.ContainsFunc(v, func(e any) bool {
			is := says(got[0], e)
			got = got[1:]
			return !is
		})
	case map[string]any:
		var got map[string]jsontext.Value
		if json.Unmarshal(raw, &got) != nil || len(got) != len(v) {
			return false
		}
		for name, e := range v {
			if one, ok := got[name]; !ok || !says(one, e) {
				return false
			}
		}
		return true
	}
	return false
}

func saysReal(raw jsontext.Value, v float64, bits int) bool {
	switch text, _ := unmarshal[string](raw); text {
	case "NaN":
		return math.IsNaN(v)
	case "Infinity":
		return math.IsInf(v, 1)
	case "-Infinity":
		return math.IsInf(v, -1)
	}
	got, err := strconv.ParseFloat(string(raw), bits)
	return err == nil && math.Float64bits(got) == math.Float64bits(v)
}

// hold decodes rec into a block that holds a row, and holds the outcome against
// the reference.
func (r records) hold(t rapid.TB, d *schema.Decoder, rec schema.Record, maxBytes int) {
	t.Helper()
	b := schema.NewBlock(r.schema)
	if _, err := d.Decode(schema.Record{Topic: "t", Offset: 1, Time: noon, Value: r.encode(t, nil)}, b); err != nil {
		t.Fatal(err)
	}
	// In a fetch the next record stands behind the value.
	fetched := slices.Concat(rec.Value, []byte("next"))
	value := string(rec.Value)
	rec.Value = fetched[:len(value)]
	want, extra, reasons := r.reference(rec, maxBytes)
	key, err := d.Decode(rec, b)
	if string(fetched) != value+"next" {
		t.Fatalf("the fetch was written to: %q", fetched)
	}
	rows := 2
	if err != nil {
		rows = 1
	}
	for _, c := range b.Input() {
		if c.Data.Rows() != rows {
			t.Fatalf("%x: column %s has %d rows, want %d", value, c.Name, c.Data.Rows(), rows)
		}
	}
	if err != nil {
		var rejection *schema.Rejection
		if !errors.As(err, &rejection) {
			t.Fatalf("%x: error is %v, want a rejection", value, err)
		}
		stricter := rejection.Reason == schema.ReasonMalformed &&
			(strings.Contains(rejection.Detail, "twice") || strings.Contains(rejection.Detail, "no boolean") || strings.Contains(rejection.Detail, "a block "))
		if !slices.Contains(reasons, rejection.Reason) && !stricter {
			t.Fatalf("%x: error is %v, want a rejection for one of %v", value, err, reasons)
		}
		return
	}
	if len(reasons) > 0 {
		t.Fatalf("%x: accepted, want a rejection for one of %v", value, reasons)
	}
	got := read(t, r.schema, b)[1]
	text := got[schema.ColExtra].(string)
	if key.Extra != (text != "") || text != "" && !says(jsontext.Value(text), extra) || text == "" && len(extra) > 0 {
		t.Fatalf("%x: extra is %q, want %v", value, text, extra)
	}
	want[schema.ColExtra] = text
	for _, c := range r.schema.Columns() {
		if !same(got[c.Name], want[c.Name]) {
			t.Fatalf("%x: %s is %#v, want %#v", value, c.Name, got[c.Name], want[c.Name])
		}
	}
	if day := schema.DayOf(want["at"].(int64)); key.Day != day || key.Identity.Seq != want["seq"] {
		t.Fatalf("key is %+v, want seq %v of %v", key, want["seq"], day)
	}
}
