package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/schema"
)

// What comes is proposed as the type that is likely to do, or left with its
// reason; nothing of it becomes part of a statement unless it is an identifier.
func TestPropose(t *testing.T) {
	s := parse(t, versionOne)
	limits := schema.Limits{Columns: 100, Rows: 10}
	f := func(name string, want string, seen ...schema.Observation) {
		t.Helper()
		for i := range seen {
			if seen[i].Name == "" {
				seen[i].Name = "reading"
			}
		}
		p, err := s.Propose(seen, limits)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, a := range p.Added {
			got += strings.TrimSpace(fmt.Sprintf("%s %d %s", a.Column.Type, a.Column.ID, a.Why)) + ";"
		}
		for _, l := range p.Left {
			got += "left: " + l.Why + ";"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	of := func(kind string, rows uint64, lo, hi float64) schema.Observation {
		return schema.Observation{Kind: kind, Rows: rows, Min: lo, Max: hi, Short: true}
	}
	named := func(name string, o schema.Observation) schema.Observation { o.Name = name; return o }
	f("small whole numbers", "int32 5;", of("Int64", 50, 0, 255))
	f("large ones", "int64 5;", of("Int64", 50, 0, 1<<30))
	f("beyond 63 bits", "uint64 5;", of("Int64", 50, 0, 3), of("UInt64", 50, 1<<63, 1<<63))
	f("beyond 63 bits and negative", "left: no type has both its negative numbers and those beyond 63 bits;", of("Int64", 50, -1, 3), of("UInt64", 50, 1<<63, 1<<63))
	f("fractions", "float32 5;", of("Double", 50, -1.5, 2.5), of("Int64", 50, 1, 2))
	long := of("Double", 50, -1.5, 2.5)
	long.Short = false
	f("fractions of many digits", "float64 5;", long, of("Int64", 50, 1, 2))
	f("text", "string 5;", of("String", 50, 0, 0), of("Null", 500, 0, 0))
	f("true or false", "bool 5;", of("Bool", 50, 0, 0))
	f("only null", "left: it is null wherever it is;", of("Null", 50, 0, 0))
	f("objects", "left: no column has objects;", of("Object", 50, 0, 0))
	f("a conflict", "left: its types conflict: 50 of numbers, 20 of text;", of("Int64", 50, 1, 2), of("String", 20, 0, 0))
	f("hardly one", "int32 5 stays in extra: 2 of text;", of("Int64", 500, 1, 2), of("String", 2, 0, 0))
	f("few rows", "left: fewer than 10 rows have it;", of("Int64", 9, 1, 2))
	f("a column's misfits", "left: these values do not fit its column, which is a float32;", named("load", of("String", 50, 0, 0)))
	f("an own column", "left: these values do not fit its column, which is a int64;", named("_offset", of("Int64", 50, 0, 0)))
	f("another case", "left: the name is taken by load, from which it differs in case only;", named("LOAD", of("Int64", 50, 0, 0)))
	for _, name := range []string{"null", "True", "FALSE", "yes", "on", "nan", "y"} { // which YAML may read as something else
		f(name, "int32 5;", named(name, of("Int64", 50, 0, 255)))
	}
	f("a folder's name", "left: the name is in the path of every file of the cold tier;", named("Gen", of("Int64", 50, 0, 0)))
	f("SQL", "left: the name is none for a column: want letters, digits and _, at most 64;", named("x` Int8, DROP COLUMN `seq", of("Int64", 50, 0, 0)))
	f("protobuf's number, and no other field gets it", "int32 6;left: protobuf tells no name; give it one in the schema file, with id: 5;",
		named("5", of("Object", 50, 0, 0)), named("reading", of("Int64", 50, 0, 0)))
	s = parse(t, bumped(versionTwo))
	f("what a later column reads from extra", "", named("torque", of("Double", 50, 0, 1)), named("torque", of("Null", 50, 0, 0)))
	f("what it does not", "left: these values do not fit its column, which is a float32;", named("torque", of("Double", 50, 0, 1)), named("torque", of("String", 50, 0, 0)))
	s = parse(t, versionOne)
	limits.Columns = len(s.Columns()) + 1
	f("a budget", "int32 5;left: the tables have 11 columns of evolution.max_columns, 11;", named("a", of("Int64", 50, 0, 0)), named("b", of("Int64", 50, 0, 0)))
}

// The file that is proposed is the file there was, with its comments, and the
// fields behind its last.
func TestProposeAmendsTheFile(t *testing.T) {
	text := strings.Replace(versionOne, "version: 1", "version: 1 # the first", 1) + "  # the last field\n\n# what is kept\nrollups: []\n"
	p, err := parse(t, text).Propose([]schema.Observation{{Name: "torque", Kind: "Double", By: "2.0", Rows: 3, Short: true}}, schema.Limits{Columns: 100})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(text, "version: 1 #", "version: 2 #", 1)
	want = strings.Replace(want, "  # the last field\n", "  # the last field\n  - {id: 5, name: torque, type: float32, nullable: true, since: 2}\n", 1)
	if got := p.Next.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if p, err := parse(t, text).Propose(nil, schema.Limits{Columns: 100}); err != nil || p.Next != nil {
		t.Errorf("of nothing: %+v, %v", p, err)
	}
}
