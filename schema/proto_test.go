package schema_test

import (
	"context"
	"strings"
	"testing"

	"penstock/schema"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// compileProto compiles what the schema says an event is in protobuf.
func compileProto(t testing.TB, s *schema.Schema) protoreflect.MessageDescriptor {
	t.Helper()
	files := map[string]string{"event.proto": s.Proto()}
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(files)}}
	compiled, err := compiler.Compile(context.Background(), "event.proto")
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Proto())
	}
	if n := compiled[0].Messages().Len(); n != 1 {
		t.Fatalf("%d messages, want one\n%s", n, s.Proto())
	}
	return compiled[0].Messages().Get(0)
}

// TestProto compiles schemas that a .proto file could be broken by.
func TestProto(t *testing.T) {
	f := func(old, new, message string, renamed ...string) {
		t.Helper()
		text := strings.Replace(sound, old, new, 1)
		s, err := schema.Parse([]byte(text))
		if err != nil || text == sound && old != new {
			t.Fatalf("%s: %v", text, err)
		}
		m := compileProto(t, s)
		if got := string(m.FullName()); got != "penstock."+message {
			t.Errorf("%s: the message is %s, want penstock.%s", new, got, message)
		}
		if m.Fields().Len() != len(s.Fields) {
			t.Errorf("%s: %d fields, want %d", new, m.Fields().Len(), len(s.Fields))
		}
		for i, c := range s.Fields {
			want := c.Name
			if i > 3 && len(renamed) > 0 {
				want = renamed[i-4]
			}
			field := m.Fields().ByNumber(protoreflect.FieldNumber(c.ID))
			if field == nil || string(field.Name()) != want || !field.HasPresence() {
				t.Errorf("%s: field %d is %v, want %s, which may be absent", new, c.ID, field, want)
			}
		}
	}
	f("", "", "E")
	f("name: e", "name: energy_meter_v2", "EnergyMeterV2")
	f("name: e", "name: penstock", "Penstock")
	f("name: e", "name: _", "Event")
	f("name: e", "name: __2", "Event2")
	f("name: e", "name: telemetry_", "Telemetry")
	// names that mean something in a .proto file, and one of the oneof made for another
	for _, name := range []string{"message", "optional", "reserved", "option", "string", "oneof", "group", "import", "_heat", "E", "penstock", "google"} {
		f("name: note", "name: "+name, "E")
	}
	// names that are one in protobuf's JSON
	f("id: 5, name: note, type: string", "id: 5, name: a_b, type: string}\n  - {id: 6, name: aB, type: string", "E", "a_b", "aB_6")
	f("id: 5, name: note, type: string", "id: 5, name: x1, type: string}\n  - {id: 6, name: x_1, type: string", "E", "x1", "x_1_6")
	f("id: 5, name: note, type: string", "id: 5, name: x1, type: string}\n  - {id: 6, name: x16, type: string}\n  - {id: 7, name: x_1, type: string}\n  - {id: 8, name: x_17, type: string", "E", "x1", "x16", "x_1_7", "x_17_8")
	// the first and the last number
	f("id: 5", "id: 899", "E")
	// a doc of several lines, or none, that tries to end its comment
	f("name: note", `name: note, unit: "m/s */", doc: "one\n\n  two */\n"`, "E")
}
