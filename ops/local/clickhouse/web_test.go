package clickhouse

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

func TestHTTP(t *testing.T) {
	f := func(name, method, params, body string, status int, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addresses.http+"/?"+params, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer func() { _ = resp.Body.Close() }() // was only read from
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.StatusCode != status || !strings.Contains(string(got), want) {
			t.Errorf("%s: %s %q, want %d with %q; headers %v", name, resp.Status, got, status, want, resp.Header)
		}
	}
	q := func(sql string) string { return "query=" + url.QueryEscape(sql) }
	f("alive", "GET", "", "", 200, "Ok.\n")
	f("GET", "GET", q("SELECT 1 + 1"), "", 200, "2\n")
	f("POST", "POST", "", "SELECT 1 + 1", 200, "2\n")
	f("begun in the parameter", "POST", q("SELECT 1 + "), "41", 200, "42\n")
	f("its own format", "POST", "default_format=CSV", "SELECT 'a' AS x FORMAT JSON SETTINGS max_threads = 1", 200, `"x": "a"`)
	f("default format", "POST", "default_format=CSV", "SELECT 'a'", 200, "\"a\"\n")
	f("parameters", "GET", q("SELECT {a:String}, {b:UInt8} + 1")+"&param_a=it's&param_b=7", "", 200, "it\\'s\t8\n")
	f("settings", "GET", q("SELECT getSetting('max_threads')")+"&max_threads=3", "", 200, "3\n")
	f("unknown setting", "GET", q("SELECT 1")+"&max_threds=3", "", 404, "Code: 115. DB::Exception: Unknown setting 'max_threds'")
	f("no such column", "GET", q("SELECT nope"), "", 404, "Code: 47. DB::Exception: ")
	f("syntax", "GET", q("SELEC 1"), "", 400, "(SYNTAX_ERROR)")
	f("read only", "GET", q("CREATE TABLE no (a UInt8) ENGINE = Memory"), "", 500, "Code: 164.")
	f("create", "POST", "", "CREATE OR REPLACE TABLE web (a UInt8, b String) ENGINE = MergeTree ORDER BY a", 200, "")
	f("insert, rows in the body", "POST", q("INSERT INTO web (a, b) FORMAT JSONEachRow"), "{\"a\":1,\"b\":\"x\"}\n", 200, "")
	f("insert, all in the body", "POST", "", "INSERT INTO web FORMAT TSV\n2\ty\n3\tz\n", 200, "")
	f("insert values", "POST", "", "INSERT INTO web VALUES (4, 'it''s'), (5, 'v')", 200, "")
	f("insert select", "POST", "", "INSERT INTO web SELECT 6, 's'", 200, "")
	f("insert bad rows", "POST", q("INSERT INTO web FORMAT TSV"), "x\ty\n", 400, "Code: 27.")
	f("insert nothing", "POST", q("INSERT INTO web FORMAT TSV"), "", 400, "NO_DATA_TO_INSERT")
	f("all there", "GET", q("SELECT groupArray((a, b)) FROM (SELECT * FROM web ORDER BY a)"), "", 200, "[(1,'x'),(2,'y'),(3,'z'),(4,'it\\'s'),(5,'v'),(6,'s')]\n")
	f("database", "GET", q("SELECT currentDatabase()")+"&database=system", "", 200, "system\n")
	f("no database", "GET", q("SELECT 1")+"&database=nope", "", 404, "UNKNOWN_DATABASE")
}

func TestHTTPHeaders(t *testing.T) {
	f := func(params string, want map[string]string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addresses.http+"/?"+params, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-ClickHouse-User", user)
		req.Header.Set("X-ClickHouse-Key", password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }() // was only read from
		for name, value := range want {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", params, name, got, value)
			}
		}
		if resp.Header.Get("X-ClickHouse-Server-Display-Name") == "" {
			t.Errorf("%s: the server has no name", params)
		}
	}
	f("query=SELECT+1&query_id=mine", map[string]string{
		"X-ClickHouse-Query-Id": "mine", "X-ClickHouse-Format": "TabSeparated", "Content-Type": "text/tab-separated-values; charset=UTF-8",
		"X-ClickHouse-Timezone": scan[string](t, open(t, driver.Native, driver.CompressionNone), "SELECT timezone()"),
	})
	f("query=SELECT+1+FORMAT+JSON", map[string]string{"X-ClickHouse-Format": "JSON", "Content-Type": "application/json; charset=UTF-8"})
	f("query=SELECT+nope", map[string]string{"X-ClickHouse-Exception-Code": "47"})
	f("query=INSERT+INTO+FUNCTION+null('a+UInt8')+SELECT+number+FROM+numbers(3)", map[string]string{
		"X-ClickHouse-Summary": `{"elapsed_ns":"0","read_bytes":"24","read_rows":"3","result_bytes":"0","result_rows":"0","total_rows_to_read":"0","written_bytes":"3","written_rows":"3"}`,
	})
	resp, err := http.Get("http://" + addresses.http + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // was only read from
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "Ok.\n" {
		t.Errorf("/ping: %q, %v", body, err)
	}
}
