package clickhouse

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/discard"
)

// get gets a page, or posts to it if there is a body.
func get(t *testing.T, address, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if body != "" {
		request, err = http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A server that discards takes rows as any, whatever their compression, keeps
// none, and shows how many there were of each partition. All else is stored.
func TestDiscardInserts(t *testing.T) {
	_, tcp, web := startServer(t, t.TempDir(), discardVariable+"=1")
	do := func(compression ch.Compression, q ch.Query) error {
		client, err := ch.Dial(t.Context(), ch.Options{Address: tcp, User: user, Password: password, Compression: compression})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close() }() // the statement was answered
		return client.Do(t.Context(), q)
	}
	for _, sql := range []string{
		"CREATE DATABASE d",
		"CREATE TABLE d.t (name LowCardinality(String), _partition Int32, note Nullable(String), _offset Int64) ENGINE = MergeTree ORDER BY name",
		"CREATE TABLE d.odd (name String, _partition String) ENGINE = MergeTree ORDER BY name",
		"CREATE TABLE d.bare (name String) ENGINE = MergeTree ORDER BY name",
		"INSERT INTO d.bare SELECT 'stored'",
	} {
		if err := do(ch.CompressionDisabled, ch.Query{Body: sql}); err != nil {
			t.Fatal(sql, err)
		}
	}
	name, note := new(proto.ColStr).LowCardinality(), new(proto.ColStr).Nullable()
	var partition proto.ColInt32
	var offset proto.ColInt64
	for i := range 1000 {
		name.Append([]string{"a", "b", "c"}[i%3])
		note.Append(proto.NewNullable(strings.Repeat("x", i%7)))
		partition.Append(int32(i / 10 % 2 * 5)) // 0 and 5, in turns of ten
		offset.Append(int64(i))
	}
	in := proto.Input{{Name: "name", Data: name}, {Name: "_partition", Data: &partition}, {Name: "note", Data: note}, {Name: "_offset", Data: &offset}}
	for _, compression := range []ch.Compression{ch.CompressionDisabled, ch.CompressionLZ4, ch.CompressionZSTD} {
		if err := do(compression, ch.Query{Body: "INSERT INTO `d`.t " + in.Columns() + " VALUES", Input: in}); err != nil {
			t.Fatal(err)
		}
	}
	// Rows 0..9, 20..29, ... are of partition 0.
	want := map[string]map[int32]discard.Count{"d.t": {
		0: {Rows: 3 * 500, Offsets: 3 * 247_250, First: 0, Last: 989},
		5: {Rows: 3 * 500, Offsets: 3 * 252_250, First: 10, Last: 999},
	}}
	var got map[string]map[int32]discard.Count
	if err := json.Unmarshal([]byte(get(t, "http://"+web+discard.Path, "")), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("counted %v (%v), want %v", got, err, want)
	}
	bare := proto.Input{{Name: "name", Data: name}}
	if err := do(ch.CompressionDisabled, ch.Query{Body: "INSERT INTO d.bare (name) VALUES", Input: bare}); err != nil {
		t.Errorf("rows of no record: %v", err)
	}
	for table, rows := range map[string]string{"d.t": "0\n", "d.bare": "1001\n"} {
		if got := get(t, "http://"+web+"/?query="+url.QueryEscape("SELECT count() FROM "+table), ""); got != rows {
			t.Errorf("%s holds %q rows, want %q", table, got, rows)
		}
	}

	odd := append(bare, proto.InputColumn{Name: "_partition", Data: name})
	err := do(ch.CompressionDisabled, ch.Query{Body: "INSERT INTO d.odd (name, _partition) VALUES", Input: odd})
	if err == nil || !strings.Contains(err.Error(), "_partition Int32") {
		t.Errorf("rows that cannot be counted: %v", err)
	}
	if got := get(t, "http://"+web+"/?query="+url.QueryEscape("INSERT INTO d.bare FORMAT CSV"), "x\n"); !strings.Contains(got, "native protocol") {
		t.Errorf("rows over HTTP: %q", got)
	}
}

// A server that stores has no counts to show.
func TestNothingIsDiscarded(t *testing.T) {
	if got := get(t, "http://"+addresses.http+discard.Path, ""); !strings.Contains(got, "There is no handle") {
		t.Errorf("it says %q", got)
	}
}
