package warehouse

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/transport"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; understand the difference before you commit it")

func testClickHouse() *ClickHouse {
	c, bucket := Default(), store.DefaultS3Config()
	c.Addr = "127.0.0.1:9000"
	bucket.Endpoint, bucket.Bucket, bucket.AccessKey, bucket.SecretKey = "http://127.0.0.1:7070", "cold", transport.NewSecret("key"), transport.NewSecret("it's secret")
	s := schema.Telemetry()
	return &ClickHouse{config: c, schema: s, source: source{config: c, bucket: bucket}}
}

// Every statement that reads the cold tier or writes where it is, as it is sent.
func TestStatementsGolden(t *testing.T) {
	var out strings.Builder
	show := func(title, text string) { out.WriteString("-- " + title + "\n" + text + "\n\n") }
	day, err := schema.ParseDay("2026-10-01")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"telemetry/day=2026-10-01/gen=000001/part-00000-00.parquet", "telemetry/day=2026-10-02/gen=000001/part-00000-11.parquet"}
	view := func(w *ClickHouse, files ...string) string {
		cold, err := w.cold(tiering.View{CutOver: []schema.Day{day}, Files: files})
		if err != nil {
			t.Fatal(err)
		}
		return w.schema.AllView(w.config.Tables(), cold)
	}
	collection := func(w *ClickHouse) string {
		statements, err := w.source.collection()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(statements, "\n")
	}

	w := testClickHouse()
	show("move of a day, within a lease", w.moveStatement(day, time.UnixMilli(1_790_000_000_000)))
	show("view prepared, shown, and the old one dropped", strings.Join([]string{
		w.schema.NextView(w.config.Tables(), 7, schema.Cold{}), w.schema.ExchangeView(w.config.Tables(), 7), w.schema.DropNextView(w.config.Tables(), 7)}, "\n"))
	show("views prepared", w.schema.NextViewsQuery(w.config.Tables()))
	show("scan of a first generation", w.scanQuery(w.schema, day, ""))
	source, err := w.source.files(files)
	if err != nil {
		t.Fatal(err)
	}
	show("scan of a later generation", w.scanQuery(w.schema, day, source))
	scan, err := w.filesQuery(w.schema, files)
	if err != nil {
		t.Fatal(err)
	}
	show("scan of files", scan)
	show("sealed rows that no file has, the second of three shares", w.besideQuery(w.schema, day, source, 1, 3))
	show("named collection", collection(w))
	show("view, two files", view(w, files...))
	show("view, no file", view(w))

	w = testClickHouse()
	w.source.config.S3Endpoint, w.source.config.Cluster = "http://gateway:7070", "main"
	w.source.config.S3AccessKey, w.source.config.S3SecretKey = transport.NewSecret("reader"), transport.NewSecret("of its own")
	show("named collection: a reader of its own", collection(w))
	w.source.config.S3AccessKey, w.source.config.S3SecretKey = transport.Secret{}, transport.Secret{}
	w.source.bucket.PathStyle, w.source.bucket.AccessKey = false, transport.Secret{}
	show("named collection: cluster, its own endpoint, bucket in the host name, credentials of the server", collection(w))

	w.source.config.NamedCollection = ""
	head := func(files ...string) string {
		text, err := w.source.files(files)
		if err != nil {
			t.Fatal(err)
		}
		return text + "..."
	}
	show("source without a named collection, credentials of the server", head(files[0]))
	w.source.bucket.AccessKey = transport.NewSecret("key")
	show("source without a named collection", head(files...))
	w.source.config.S3Endpoint, w.source.bucket.Endpoint = "", ""
	show("source on AWS", head(files[0]))

	path := filepath.Join("testdata", "statements.sql")
	got := []byte(out.String())
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s; -rewrite writes it anew. Got:\n%s", path, got)
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	err := Config{NamedCollection: "a-b", S3AccessKey: transport.NewSecret("reader")}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"clickhouse.addr", "clickhouse.database", "clickhouse.user", "clickhouse.s3_secret_key", `clickhouse.named_collection is "a-b"`,
		"clickhouse.block_rows is 0", "clickhouse.read_threads is 0", "clickhouse.dial_timeout is 0s", "clickhouse.read_timeout is 0s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}
	good := Default()
	good.Addr = "127.0.0.1:9000"
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
