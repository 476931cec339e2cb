package statement

import (
	"slices"
	"testing"
)

func TestParseInsert(t *testing.T) {
	f := func(sql string, want Insert) {
		t.Helper()
		got, ok := ParseInsert(sql)
		if !ok {
			t.Errorf("%q is no INSERT with rows of its own", sql)
			return
		}
		if got.Head != want.Head || got.Table != want.Table || !slices.Equal(got.Columns, want.Columns) || got.Exact != want.Exact || got.Format != want.Format || got.Set != want.Set || got.Data != want.Data {
			t.Errorf("%q\n is %#v\nwant %#v", sql, got, want)
		}
	}
	f("INSERT INTO t VALUES", Insert{Head: "INSERT INTO t", Table: "t", Format: "Values"})
	f("insert into t", Insert{Head: "insert into t", Table: "t"})
	f("INSERT INTO t;", Insert{Head: "INSERT INTO t", Table: "t"})
	f("INSERT INTO TABLE db.`my t` (a, `b c`, \"d\"\"e\") FORMAT Native",
		Insert{Head: "INSERT INTO TABLE db.`my t` (a, `b c`, \"d\"\"e\")", Table: "db.`my t`", Columns: []string{"a", "b c", `d"e`}, Exact: true, Format: "Native"})
	f("INSERT INTO t (n.a, n.`b`) VALUES (1, [2]), (3, '(')",
		Insert{Head: "INSERT INTO t (n.a, n.`b`)", Table: "t", Columns: []string{"n.a", "n.b"}, Exact: true, Format: "Values", Data: " (1, [2]), (3, '(')"})
	f("INSERT INTO t (* EXCEPT (a)) VALUES", Insert{Head: "INSERT INTO t (* EXCEPT (a))", Table: "t", Columns: []string{"* EXCEPT (a)"}, Format: "Values"})
	f("/* a */ INSERT -- b\n INTO t SETTINGS async_insert = 0, x = 'VALUES (' FORMAT CSV\n1,2\n",
		Insert{Head: "/* a */ INSERT -- b\n INTO t SETTINGS async_insert = 0, x = 'VALUES ('", Table: "t", Set: true, Format: "CSV", Data: "\n1,2\n"})
	f("INSERT INTO FUNCTION s3('http://x', 'Parquet') (a) VALUES (1)",
		Insert{Head: "INSERT INTO FUNCTION s3('http://x', 'Parquet') (a)", Table: "s3('http://x', 'Parquet')", Columns: []string{"a"}, Exact: true, Format: "Values", Data: " (1)"})
	f("INSERT INTO {db:Identifier}.{t:Identifier} (a) VALUES", Insert{Head: "INSERT INTO {db:Identifier}.{t:Identifier} (a)", Table: "{db:Identifier}.{t:Identifier}", Columns: []string{"a"}, Exact: true, Format: "Values"})
	f("INSERT INTO settings (settings) VALUES", Insert{Head: "INSERT INTO settings (settings)", Table: "settings", Columns: []string{"settings"}, Exact: true, Format: "Values"})
	f("INSERT INTO formatted (values_, format) VALUES", Insert{Head: "INSERT INTO formatted (values_, format)", Table: "formatted", Columns: []string{"values_", "format"}, Exact: true, Format: "Values"})

	for _, sql := range []string{
		"", "SELECT 1", "INSERTS INTO t VALUES", "INSERT INTO t SELECT 1", "INSERT INTO t (a) SELECT a FROM x FORMAT Native",
		"INSERT INTO t (SELECT 1)", "INSERT INTO t (a) (SELECT 1)", "INSERT INTO t ( WITH 1 AS x SELECT x)", "INSERT INTO t WITH 1 AS x SELECT x", "INSERT INTO t FROM INFILE 'f' FORMAT CSV",
		"INSERT INTO t SETTINGS x = 1 SELECT 1", "INSERT INTO", "EXPLAIN INSERT INTO t VALUES (1)",
	} {
		if in, ok := ParseInsert(sql); ok {
			t.Errorf("%q is taken for an INSERT with rows of its own: %#v", sql, in)
		}
	}
}

func TestReads(t *testing.T) {
	f := func(sql string, want bool) {
		t.Helper()
		if got := Reads(sql); got != want {
			t.Errorf("%q only reads: %v, want %v", sql, got, want)
		}
	}
	f("SELECT 1", true)
	f("/* a */ -- b\n with 1 AS x SELECT x", true)
	f("desc t", true)
	f("SELECTS", false)
	f("ALTER TABLE t ADD COLUMN a UInt8", false)
	f("USE other", false)
	f("INSERT INTO t SELECT 1", false)
	f("", false)
}

func TestInsertName(t *testing.T) {
	f := func(sql, want string) {
		t.Helper()
		if in, ok := ParseInsert(sql); !ok || in.Name() != want {
			t.Errorf("%q is into %q, want %q", sql, in.Name(), want)
		}
	}
	f("INSERT INTO t VALUES", "t")
	f("INSERT INTO `my db`.\"t`\" (a) VALUES", "my db.t`")
	f("INSERT INTO FUNCTION null('a UInt8') VALUES", "null('a UInt8')")
}

func TestWithoutFormat(t *testing.T) {
	f := func(sql, rest, format string) {
		t.Helper()
		if r, f := WithoutFormat(sql); r != rest || f != format {
			t.Errorf("%q is %q and %q, want %q and %q", sql, r, f, rest, format)
		}
	}
	f("SELECT 1", "SELECT 1", "")
	f("SELECT 1;", "SELECT 1", "")
	f("SELECT 1 ; -- the end", "SELECT 1 ", "")
	f("SELECT 1 FORMAT JSON", "SELECT 1  ", "JSON")
	f("SELECT 1\nformat `TSV`;", "SELECT 1\n ", "`TSV`")
	f("SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "SELECT 1   SETTINGS max_threads = 1", "JSON")
	f("SELECT 'a FORMAT JSON'", "SELECT 'a FORMAT JSON'", "")
	f("SELECT * FROM (SELECT 1 FORMAT JSON)", "SELECT * FROM (SELECT 1 FORMAT JSON)", "")
	f("SELECT format FROM t", "SELECT format FROM t", "")
	f("SELECT format('{}', 1)", "SELECT format('{}', 1)", "")
	f("SELECT 1; SELECT 2", "SELECT 1; SELECT 2", "")
}

func FuzzParse(f *testing.F) {
	for _, sql := range []string{"INSERT INTO t (a, `b`) SETTINGS x = 1 VALUES (1)", "SELECT '\\' FORMAT JSON", "INSERT INTO t (", "INSERT INTO t /*", "\"\\"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if in, ok := ParseInsert(sql); ok && len(in.Head)+len(in.Data) > len(sql) {
			t.Errorf("more text out than in: %#v", in)
		}
		WithoutFormat(sql)
	})
}
