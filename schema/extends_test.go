package schema_test

import (
	"strings"
	"testing"

	"penstock/schema"
)

const versionOne = `name: fleet
version: 1
identity: [device, seq]
device: device
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
  - {id: 4, name: load, type: float32, nullable: true}
`

const versionTwo = "  - {id: 5, name: torque, type: float32, nullable: true, since: 2}\n"

func parse(t *testing.T, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bumped is version 2 of the file, with fields after its own.
func bumped(fields string) string {
	return strings.Replace(versionOne, "version: 1", "version: 2", 1) + fields
}

// What stored rows or a node of the older version could not bear is no extension.
func TestExtends(t *testing.T) {
	f := func(name, text, want string) {
		t.Helper()
		err := parse(t, text).Extends(parse(t, versionOne))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	replaced := func(old, text string) string { return strings.Replace(bumped(versionTwo), old, text, 1) }
	f("the same", versionOne, "")
	f("a field more", bumped(versionTwo), "")
	f("an optional field that is not nullable", bumped("  - {id: 5, name: mode, type: string, low_cardinality: true, since: 2}\n"), "")
	f("another id", replaced("{id: 4", "{id: 6"), "field load is float32 with id 6, nullable, and was float32 with id 4, nullable")
	f("another doc and codec", replaced("type: float32, nullable: true}", "type: float32, nullable: true, doc: Load., codec: LZ4}"), "")
	f("another name", replaced("name: fleet", "name: other"), "another name is another table")
	f("another identity", replaced("[device, seq]", "[seq]"), "which events are the same cannot change")
	f("a field gone", replaced("  - {id: 4, name: load, type: float32, nullable: true}\n", ""), "field load is gone; put it back")
	f("another type", replaced("load, type: float32", "load, type: float64"), "field load is float64")
	f("no longer nullable", replaced("type: float32, nullable: true}", "type: float32}"), "field load is float32 with id 4, and was float32 with id 4, nullable")
	f("required", bumped("  - {id: 5, name: torque, type: float32, required: true, since: 2}\n"), "field torque is new and required")
	f("without since", bumped("  - {id: 5, name: torque, type: float32}\n"), "field torque is new and since version 1; the version before it is 1")
	f("the version is the same", versionOne+"  - {id: 5, name: torque, type: float32}\n", "raise version")
	if err := parse(t, versionOne).Extends(parse(t, bumped(versionTwo))); err == nil || !strings.Contains(err.Error(), "version is 1, and was 2") {
		t.Errorf("backwards: got %v", err)
	}
}

// A node whose file is older than the tables has the tables' fields, and what
// else its file says.
func TestWith(t *testing.T) {
	file := parse(t, strings.Replace(versionOne, "max_ahead: 24h", "max_ahead: 1h", 1))
	ready := parse(t, bumped(versionTwo))
	got, err := file.With(ready)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != 2 || len(got.Fields) != 5 || got.Fields[4].Name != "torque" || got.Time.MaxAhead != file.Time.MaxAhead || len(file.Fields) != 4 {
		t.Errorf("got %+v", got)
	}
	if got, err := file.With(parse(t, versionOne)); err != nil || got != file {
		t.Errorf("of the same version: got %+v, %v", got, err)
	}
	other := parse(t, strings.Replace(bumped(""), "name: load", "name: speed", 1))
	if _, err := file.With(other); err == nil || !strings.Contains(err.Error(), `version 2, which is recorded beside the tables, does not extend the schema file, version 1: field load is gone`) {
		t.Errorf("of a version that is no extension: %v", err)
	}
	if _, err := parse(t, bumped("")).With(ready); err == nil || !strings.Contains(err.Error(), "both version 2, and have 4 and 5 fields; raise version") {
		t.Errorf("of another version 2: %v", err)
	}
}
