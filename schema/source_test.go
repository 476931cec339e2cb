package schema_test

import (
	"strings"
	"testing"

	"penstock/schema"
)

// fleet is a schema whose events are told more than what the record says.
const fleet = `name: fleet
version: 1
identity: [device, seq]
device: device
time: {field: at, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: at, type: timestamp_ms, required: true}
  - {id: 4, name: heat, type: float32, nullable: true, unit: "°C", scale: 0.1, offset: -40, calibrate: heat}
  - {id: 5, name: model, type: string, low_cardinality: true, from: device}
  - {id: 6, name: floor, type: int8, nullable: true, from: device}
  - {id: 7, name: load, type: float64, required: true, scale: 1e300, unit: N}
  - {id: 8, name: installed, type: timestamp_ms, nullable: true, from: device}
  - {id: 9, name: note, type: string}
`

func fleetSchema(t testing.TB) *schema.Schema {
	t.Helper()
	s, err := schema.Parse([]byte(fleet))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseSources(t *testing.T) {
	f := func(field string, want ...string) {
		t.Helper()
		text := sound + "  - {id: 6, name: x, " + field + "}\n"
		_, err := schema.Parse([]byte(text))
		got, full := "", "schema file:\n"+strings.Join(want, "\n")
		if err != nil {
			got = err.Error()
		}
		if len(want) == 0 {
			full = ""
		}
		if got != full {
			t.Errorf("%s: got\n%s\nwant\n%s", field, got, full)
		}
	}
	f("type: string, low_cardinality: true, from: device")
	f("type: float32, nullable: true, scale: 2, offset: -1.5, calibrate: x")
	f("type: float64, required: true, offset: 3")
	f("type: bool, from: cloud", `line 13: field x: from is "cloud"; want device, or nothing for what the record says`)
	f("type: bool, from: device", "line 13: field x: from device and not nullable; add it, a device may be unknown")
	f("type: string, from: device", "line 13: field x: from device and not low_cardinality; add it, devices are fewer than events")
	// all of it at once
	f("type: int8, required: true, from: device, scale: 0, offset: .inf, calibrate: a-b",
		"line 13: field x: from device and required together; drop required, a device may be unknown",
		"line 13: field x: from device and not nullable; add it, a device may be unknown",
		"line 13: field x: scale and from device together; drop one, an attribute is taken as it is",
		"line 13: field x: scale is for float32 and float64, not int8, which would be rounded",
		"line 13: field x: offset and from device together; drop one, an attribute is taken as it is",
		"line 13: field x: offset is for float32 and float64, not int8, which would be rounded",
		"line 13: field x: calibrate and from device together; drop one, an attribute is taken as it is",
		"line 13: field x: calibrate is for float32 and float64, not int8, which would be rounded",
		"line 13: field x: scale is 0; want a number that is not 0",
		"line 13: field x: offset is +Inf; want a number",
		`line 13: field x: calibrate is "a-b"; want letters, digits and _, at most 64`)
	f("type: float64, scale: 2", "line 13: field x: scale needs nullable or required, or what is absent would be taken for 0")
	f("type: float64, nullable: true, scale: two", `line 13: fields[5].scale is "two"; want a number such as 0.1`)
	f("type: float64, nullable: true, calibrate: y}\n  - {id: 7, name: y_scale, type: int8, nullable: true, from: device",
		"line 13: field x: calibrate needs attribute y_scale, which is a field of type int8; make that a float64")
}

// TestDecodeConverts: whichever reader reads it, predicted or not, a value is
// stored in the column's unit, and what has no place there is kept as it came.
func TestDecodeConverts(t *testing.T) {
	s := fleetSchema(t)
	message := func(fields ...[]byte) string {
		v := textField(1, "d")
		v = append(v, varintField(2, 1)...)
		v = append(v, varintField(3, noon)...)
		for _, f := range fields {
			v = append(v, f...)
		}
		return string(v)
	}
	f := func(e schema.Encoding, value string, want row) {
		t.Helper()
		b, d := schema.NewBlock(s), schema.NewDecoder(s, e, schema.DefaultMaxRecordBytes)
		for range 2 { // the second time as predicted
			if _, err := d.Decode(schema.Record{Topic: "t", Time: noon, Value: []byte(value)}, b); err != nil {
				t.Fatalf("%q: %v", value, err)
			}
		}
		for i, got := range read(t, s, b) {
			for name, w := range want {
				if !same(got[name], w) {
					t.Errorf("%q, reading %d: %s is %#v, want %#v", value, i, name, got[name], w)
				}
			}
		}
	}
	f(schema.JSON, event(`,"load":0,"heat":615`), row{"heat": float32(21.5), "load": 0.0, "extra": ""})
	f(schema.JSON, event(`,"load":-2e0,"heat":615.5`), row{"heat": float32(21.55), "load": -2e300})
	f(schema.Protobuf, message(floatField(4, 615), doubleField(7, 2)), row{"heat": float32(21.5), "load": 2e300})
	f(schema.Protobuf, message(doubleField(7, 2), floatField(4, 615)), row{"heat": float32(21.5), "load": 2e300})
	// NULL is no number
	f(schema.JSON, event(`,"load":0,"heat":null`), row{"heat": nil})
	f(schema.JSON, event(`,"load":0`), row{"heat": nil})
	f(schema.Protobuf, message(doubleField(7, 0)), row{"heat": nil})
	// what does not fit the column is kept as it was sent
	f(schema.JSON, event(`,"load":0,"heat":"hot"`), row{"heat": nil, "extra": `{"heat":"hot"}`})
	// the device's own fields are not the record's
	f(schema.JSON, event(`,"load":0,"model":"m","floor":3`), row{"model": "", "floor": nil, "extra": `{"model":"m","floor":3}`})
	f(schema.Protobuf, message(doubleField(7, 0), textField(5, "m")), row{"model": "", "extra": `{"5":{"string":"m"}}`})
}

// TestDecodeConvertsBeyond: a value that is beyond its column in the column's unit
// is kept as it was sent, or the record rejected.
func TestDecodeConvertsBeyond(t *testing.T) {
	s, err := schema.Parse([]byte(strings.Replace(fleet, "scale: 0.1, offset: -40", "scale: 10", 1)))
	if err != nil {
		t.Fatal(err)
	}
	b, d := schema.NewBlock(s), schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
	decode := func(value string) error {
		_, err := d.Decode(schema.Record{Topic: "t", Time: noon, Value: []byte(value)}, b)
		return err
	}
	for range 2 {
		if err := decode(event(`,"load":1,"heat":3e38,"new":1`)); err != nil {
			t.Fatal(err)
		}
		const want = "type: field load is 1e+10, which its scale and offset take beyond a float64"
		if err := decode(event(`,"load":1e10`)); err == nil || err.Error() != want {
			t.Errorf("a required value beyond its column: got\n%v\nwant\n%s", err, want)
		}
	}
	for _, got := range read(t, s, b) {
		if got["heat"] != nil || got["extra"] != `{"new":1,"heat":3e+38}` {
			t.Errorf("heat is %v and extra %v, want NULL and the value as it was sent", got["heat"], got["extra"])
		}
	}
	if b.Rows() != 2 {
		t.Errorf("%d rows, want the two that are no rejects", b.Rows())
	}
}

func TestProtoOfSources(t *testing.T) {
	text := fleetSchema(t).Proto()
	if strings.Contains(text, "model") || strings.Contains(text, "= 6") {
		t.Errorf("devices are asked for what is known of them:\n%s", text)
	}
	if want := "  // Unit: °C.\n  // Sent raw: what is stored, in that unit, is this * 0.1 + -40.\n  optional float heat = 4;\n"; !strings.Contains(text, want) {
		t.Errorf("want\n%sin\n%s", want, text)
	}
	compileProto(t, fleetSchema(t))
}

// TestBlockEnrich: rows get what is known of their device, and NULL is what is
// not known.
func TestBlockEnrich(t *testing.T) {
	s := fleetSchema(t)
	a := schema.NewAttributes(s)
	set := func(row int, name, text string) {
		t.Helper()
		if err := a.SetText(row, name, text); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		a.Grow()
	}
	set(0, "model", "pump \"9\"")
	set(0, "floor", "-3")
	set(0, "installed", "2024-05-01")
	set(0, "heat_scale", "2")
	set(0, "heat_offset", "0.25")
	set(1, "heat_offset", "1e39")
	set(1, "colour", "red") // which nobody asked for

	b, d := schema.NewBlock(s), schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
	for _, members := range []string{`,"heat":500`, `,"heat":500`, "", `,"heat":500`, `,"heat":500`} {
		if _, err := d.Decode(schema.Record{Topic: "t", Time: noon, Value: []byte(event(`,"load":1` + members))}, b); err != nil {
			t.Fatal(err)
		}
	}
	b.Enrich(a.Clone(), []int32{0, 1, 0, -1, 0})
	known := row{"model": `pump "9"`, "floor": int8(-3), "installed": int64(1714521600000), "heat": float32(20.25)}
	noReading := row{"model": `pump "9"`, "floor": int8(-3), "installed": int64(1714521600000), "heat": nil}
	want := []row{known, {"model": "", "floor": nil, "installed": nil, "heat": float32(10)}, noReading, {"model": "", "floor": nil, "installed": nil, "heat": float32(10)}, known}
	for i, got := range read(t, s, b) {
		for name, w := range want[i] {
			if !same(got[name], w) {
				t.Errorf("row %d: %s is %#v, want %#v", i, name, got[name], w)
			}
		}
	}
	// A copy of some rows is as they are.
	if got := read(t, s, b.Slice(3, 5)); !same(got[1]["model"], `pump "9"`) || !same(got[0]["floor"], nil) {
		t.Errorf("copied rows are %v", got)
	}
	devices := 0
	b.EachDevice(func(_ int, device []byte) {
		if devices++; string(device) != "d" {
			t.Errorf("device is %q, want d", device)
		}
	})
	if devices != 5 {
		t.Errorf("%d devices of 5 rows", devices)
	}
}

func TestAttributesRefuse(t *testing.T) {
	a := schema.NewAttributes(fleetSchema(t))
	a.Grow()
	f := func(err error, want string) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(a.SetText(0, "floor", "300"), `attribute floor is "300"; want a int8`)
	f(a.SetText(0, "heat_scale", "inf"), `attribute heat_scale is "inf"; want a float64`)
	f(a.SetText(0, "installed", "yesterday"), `attribute installed is "yesterday"; want a timestamp_ms`)
	f(a.Set(0, "model", []byte("5")), `attribute model is 5; want a string`)
	if got, want := strings.Join(a.Lacking([]string{"model", "heat_scal"}), ", "), "floor, installed, heat_scale or heat_offset"; got != want {
		t.Errorf("lacking %s, want %s", got, want)
	}
	if got := a.Lacking([]string{"model", "floor", "installed", "heat_offset"}); len(got) > 0 {
		t.Errorf("lacking %v, and nothing does", got)
	}
}
