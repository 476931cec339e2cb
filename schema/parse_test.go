package schema_test

import (
	"strings"
	"testing"

	"penstock/schema"
)

// sound is a schema file without fault, which each case spoils.
const sound = `name: e
version: 2
identity: [device, seq]
device: device
time: {field: at, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
rollups: [{every: 1m, readings: [heat]}]
fields:
  - {id: 1, name: device, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: at, type: timestamp_ms, required: true}
  - {id: 4, name: heat, type: float32, nullable: true}
  - {id: 5, name: note, type: string}
`

func TestParse(t *testing.T) {
	// f replaces old by new in the sound file and expects these faults.
	f := func(old, new string, want ...string) {
		t.Helper()
		if !strings.Contains(sound, old) {
			t.Fatalf("the sound file has no %q", old)
		}
		_, err := schema.Parse([]byte(strings.Replace(sound, old, new, 1)))
		got, full := "", "schema file:\n"+strings.Join(want, "\n")
		if err != nil {
			got = err.Error()
		}
		if len(want) == 0 {
			full = ""
		}
		if got != full {
			t.Errorf("%s: got\n%s\nwant\n%s", new, got, full)
		}
	}
	f("name", "name")

	// a key it does not know, at every depth
	f("version:", "version_:",
		"line 2: version_: unknown key; want one of name, version, identity, device, time, rollups, fields",
		"version is 0; the first is 1")
	f("max_ahead", "max_ahed",
		"line 5: time.max_ahed: unknown key; want one of field, not_before, max_ahead, ahead",
		"line 5: time.max_ahead is 0s; want a positive duration such as 24h")
	f("note, type: string", "note, type: string, colour: red",
		"line 12: fields[4].colour: unknown key; want one of id, name, type, required, nullable, low_cardinality, codec, unit, from, scale, offset, calibrate, doc, since")
	// a key given twice
	f("device: device", "device: device\nname: f", "line 5: name: the key is there already; drop one")
	f("note, type: string", "note, type: string, id: 6", "line 12: fields[4].id: the key is there already; drop one")
	// a value of another type
	f("name: e", "name: 5", "line 1: name is 5; want text; quote it")
	f("name: e", "name:", "line 1: name is empty; want text; quote it")
	f("version: 2", `version: "2"`, `line 2: version is "2"; want a whole number`)
	f("version: 2", `version: 1.5`, `line 2: version is 1.5; want a whole number`)
	f("version: 2", `version: 99999999999999999999`, `line 2: version is 99999999999999999999; want a whole number`)
	f("identity: [device, seq]", "identity: device", `line 3: identity is "device"; want a list`)
	f("identity: [device, seq]", "identity: [device, 7]", `line 3: identity[1] is 7; want text; quote it`, `line 3: identity names "", which is no field`)
	f("not_before: 2015-01-01T00:00:00Z", "not_before: yesterday", `line 5: time.not_before is "yesterday"; want a time such as 2015-01-01T00:00:00Z`)
	f("not_before: 2015-01-01T00:00:00Z", "not_before: 2015", `line 5: time.not_before is 2015; want a time such as 2015-01-01T00:00:00Z`)
	f("max_ahead: 24h", "max_ahead: 24", `line 5: time.max_ahead is 24; want a duration such as 24h`)
	f("max_ahead: 24h", "max_ahead: a day", `line 5: time.max_ahead is "a day"; want a duration such as 24h`)
	f("rollups: [{every: 1m, readings: [heat]}]", "rollups: [heat]", `line 6: rollups[0] is "heat"; want keys and values`)
	f("nullable: true", "nullable: yes", `line 11: fields[3].nullable is "yes"; want true or false`)
	f("{id: 5, name: note, type: string}", "note", `line 12: fields[4] is "note"; want keys and values`)
	f("type: float32", "type: {of: float32}", "line 11: fields[3].type is a mapping; want text; quote it")
	// a value that is wrong by itself
	f("name: e", "name: e.f", `line 1: name is "e.f"; want letters, digits and _, at most 64`)
	f("version: 2", "version: 0", "line 2: version is 0; the first is 1")
	f("name: note", "name: no te", `line 12: field "no te": the name may have letters, digits and _, at most 64`)
	f("id: 5", "id: 900", "line 12: field note: id is 900; want 1 to 899")
	f("type: float32", "type: float", `line 11: field heat: type is "float"; want one of [bool float32 float64 int16 int32 int64 int8 string timestamp_ms uint16 uint32 uint64 uint8]`)
	f("type: string}", "type: string, codec: ZSTD(1)) ENGINE = Null --}",
		`line 12: field note: codec is "ZSTD(1)) ENGINE = Null --"; want for example "Delta, ZSTD(1)"`)
	f("type: string}", "type: string, since: 3}", "line 12: field note: since is 3; want 0 to the schema's version, 2")
	f("type: string}", "type: string, since: -1}", "line 12: field note: since is -1; want 0 to the schema's version, 2")
	f("not_before: 2015-01-01T00:00:00Z, ", "", "line 5: time.not_before is 0001-01-01T00:00:00Z; want 1970-01-01T00:00:00Z or later, the first day of ClickHouse")
	f("max_ahead: 24h", "max_ahead: 24h, ahead: drop", `line 5: time.ahead is "drop"; want reject or clamp`)
	f("max_ahead: 24h", "max_ahead: -1s", "line 5: time.max_ahead is -1s; want a positive duration such as 24h")
	// values that do not go together
	f("name: note", "name: Heat", `line 12: field "Heat": the name is taken; rename it`)
	f("name: heat", "name: Heat", `line 6: rollups[0].readings names "heat"; want a numeric field`)
	f("{id: 5, name: note", "{id: 6, name: Note, type: bool}\n  - {id: 5, name: note", `line 13: field "note": the name is taken; rename it`)
	f("name: note, type: string}", "name: Note, type: string}\n  - {id: 6, name: note, type: string}", `line 13: field "note": the name is taken; rename it`)
	f("name: note", "name: _offset", `line 12: field "_offset": the name is taken; rename it`)
	f("name: note", "name: Gen", `line 12: field "Gen": the name is taken; rename it`)
	f("name: note", "name: _day", `line 12: field "_day": the name is taken; rename it`)
	f("id: 5", "id: 4", "line 12: field note: id 4 belongs to heat; take the next free one")
	f("nullable: true", "low_cardinality: true", "line 11: field heat: low_cardinality is for strings, not float32")
	f("type: string}", "type: string, low_cardinality: true, nullable: true}",
		"line 12: field note: low_cardinality and nullable together; drop nullable, absent is ''")
	f("nullable: true", "nullable: true, required: true", "line 11: field heat: required and nullable contradict each other; drop one")
	f("device: device", "device: heat",
		"line 4: device is field heat, which must be required",
		"line 4: device is field heat of type float32; want one of [string]",
		"line 3: identity is [device seq]; of two fields the first must be the device, heat")
	f("name: device, type: string", "name: device, type: string, low_cardinality: true",
		"line 4: device is field device, which is low_cardinality; drop that, its values are many")
	f("field: at", "field: when", `line 5: time.field names "when", which is no field`)
	f("[device, seq]", "[seq, device]",
		"line 3: identity is [seq device]; of two fields the first must be the device, device",
		"line 3: identity is field device of type string; want one of [uint64]")
	f("[device, seq]", "[note]", "line 3: identity is field note, which must be required")
	f("[device, seq]", "[]", "line 3: identity is []; want [device, sequence number] or one field")
	f("[heat]", "[note, at, cold]",
		`line 6: rollups[0].readings names "note"; want a numeric field`,
		`line 6: rollups[0].readings names "at"; want a numeric field`,
		`line 6: rollups[0].readings names "cold"; want a numeric field`)
	f("[heat]", "[heat, heat]", `line 6: rollups[0].readings names "heat" twice; drop one`)
	f("[heat]", "[]", "line 6: rollups[0].readings is empty; name the numeric fields to keep, such as [temperature]")
	f("every: 1m", "every: 5m", `line 6: rollups[0].every is "5m"; want 1m, 1h or 1d`)
	f("every: 1m", "every: 1m, name: a b", `line 6: rollups[0].name is "a b"; want letters, digits and _, at most 63`)
	f("every: 1m", "every: 1m, by: note", `line 6: rollups[0].by is "note"; want device, or a field with low_cardinality`)
	f("every: 1m", "every: 1m, by: nobody", `line 6: rollups[0].by is "nobody"; want device, or a field with low_cardinality`)
	f("every: 1m", "every: 1m, functions: [min, median]", `line 6: rollups[0].functions names "median"; want min, max, avg, last or sum`)
	f("every: 1m", "every: 1m, functions: [min, min]", `line 6: rollups[0].functions names "min" twice; drop one`)
	f("every: 1m", "every: 1m, quantiles: [0, 99]", "line 6: rollups[0].quantiles has 0; want levels between 0 and 1, such as 0.99",
		"line 6: rollups[0].quantiles has 99; want levels between 0 and 1, such as 0.99")
	f("every: 1m", "every: 1m, quantiles: [0.5, 0.50]", "line 6: rollups[0].quantiles has 0.5 twice; drop one")
	f("every: 1m", "every: 1m, quantiles: [median]", `line 6: rollups[0].quantiles[0] is "median"; want a number such as 0.1`)
	f("every: 1m", "every: 1m, ttl: 1y", `line 6: rollups[0].ttl is "1y"; want a number of days such as 365d`)
	f("every: 1m", "every: 1m, ttl: -1d", "line 6: rollups[0].ttl is -1d; want 1d to 7300d, or none to keep rows for ever")
	f("every: 1m, readings: [heat]}", "every: 1m, readings: [heat]}, {every: 1m, readings: [heat]}",
		"line 6: rollups[1] makes a view e_1m, which is another's name; give it a name")
	f("every: 1m", "every: 1m, name: sealed", "line 6: rollups[0] makes a view e_sealed, which is another's name; give it a name")
	f("name: note", "name: heat_min", "line 6: rollups[0] makes a column heat_min, which is the name of a field; rename the field, or leave out the reading or function")
	f("name: note", "name: minute", "line 6: rollups[0] makes a column minute, which is the name of a field; rename the field, or leave out the reading or function")
	// all kinds at once
	f(sound, "name: e\nversion: one\nowner: me\ndevice: device\ntime: {field: at, max_ahead: 24h, not_before: 2015-01-01}\nfields:\n  - {id: x, name: device, type: text}\n  - {name: at}\n",
		`line 2: version is "one"; want a whole number`,
		`line 3: owner: unknown key; want one of name, version, identity, device, time, rollups, fields`,
		`line 7: fields[0].id is "x"; want a whole number`,
		`line 7: field device: type is "text"; want one of [bool float32 float64 int16 int32 int64 int8 string timestamp_ms uint16 uint32 uint64 uint8]`,
		`line 8: field at: id is 0; want 1 to 899`,
		`line 8: field at: type is ""; want one of [bool float32 float64 int16 int32 int64 int8 string timestamp_ms uint16 uint32 uint64 uint8]`,
		`line 4: device is field device, which must be required`,
		`line 5: time.field is field at, which must be required`,
		`identity is []; want [device, sequence number] or one field`)
}

func TestParseNoSchema(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := schema.Parse([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%q: error is %v, want %s", text, err, want)
		}
	}
	f("", "schema file: it is empty; telemetry.yaml shows what one says")
	f("# nothing\n", "schema file: it is empty; telemetry.yaml shows what one says")
	f("name: e\n\tversion: 1", "schema file: yaml: line 2: found a tab character that violates indentation")
	f("fields: [", "schema file: yaml: line 1: did not find expected node content")
	f(sound+"---\nname: f\n", "schema file: more than one document; drop what follows the line ---")
}

// TestParseAlias: an alias stands for what its anchor says.
func TestParseAlias(t *testing.T) {
	s, err := schema.Parse([]byte(strings.Replace(strings.Replace(sound, "device: device", "device: &d device", 1), "name: device", "name: *d", 1)))
	if err != nil || s.Fields[0].Name != "device" {
		t.Errorf("got %v and %v", s, err)
	}
}

// FuzzParse: whatever is accepted can be used.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	f.Add([]byte("---\n"))
	f.Add([]byte("name: &a [*a]"))
	f.Add([]byte(strings.Replace(sound, "[device, seq]", "[seq]", 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := schema.Parse(text)
		if err != nil {
			return
		}
		if rows := schema.NewBlock(s).Rows(); rows != 0 {
			t.Fatalf("a new block has %d rows", rows)
		}
		if n := s.Arrow().NumFields(); n != len(s.Columns()) {
			t.Fatalf("%d Parquet fields for %d columns", n, len(s.Columns()))
		}
		for _, statement := range s.DDL(schema.Tables{}) {
			if !strings.HasPrefix(statement, "CREATE ") {
				t.Fatalf("not a statement: %s", statement)
			}
		}
	})
}
