package stacktest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/ops/local/kafka"
	gateway "penstock/ops/local/s3"
	"penstock/ops/local/stack"
	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
	"penstock/transport"
)

// deploy is where the rights are written down.
const deploy = "../../deploy"

// right reads a file of them, with names in place of those that it has.
func right(t *testing.T, names *strings.Replacer, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(names.Replace(string(text)))
}

// names are the database, collection and bucket of a test.
func (e coldTier) names() *strings.Replacer {
	return strings.NewReplacer(
		"penstock.", e.clickHouse.Database+".", "penstock_cold", e.config().NamedCollection,
		"telemetry-cold/penstock/", e.bucket.Bucket+"/"+e.bucket.Prefix+"/", ":::telemetry-cold\"", ":::"+e.bucket.Bucket+"\"",
	)
}

// as restarts ClickHouse with the rights of these files.
func as(t *testing.T, s *stack.Stack, names *strings.Replacer, files ...string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "grants.sql")
	var all []byte
	for _, file := range files {
		all = append(all, right(t, names, file)...)
	}
	if err := os.WriteFile(script, all, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.ClickHouse.Stop(); err != nil {
		t.Fatal(err)
	}
	s.ClickHouse.Grant(script)
	if err := s.ClickHouse.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestPrivileges does what each account is for with the rights that are written
// down for it and no others, and tries what it must not be able to.
func TestPrivileges(t *testing.T) {
	s := start(t, kafka.KFake)
	a := s.Addresses()
	e := coldTierOf(a, "privileges", "privileges")
	account := func(name string) gateway.Account {
		return gateway.Account{AccessKey: name, SecretKey: name + "-secret", Policy: right(t, e.names(), "s3/"+name+".json")}
	}
	if err := s.S3.Allow(t.Context(), account("exporter"), account("reader"), account("gc")); err != nil {
		t.Fatal(err)
	}
	e.bucket.AccessKey, e.bucket.SecretKey = transport.NewSecret("exporter"), transport.NewSecret("exporter-secret")

	tier := openColdTier(t, e, func(c *tiering.Config, w *warehouse.Config) {
		c.FileBytes, c.RowGroupRows = 1, 3_000
		w.S3AccessKey, w.S3SecretKey = transport.NewSecret("reader"), transport.NewSecret("reader-secret")
	})
	today := schema.DayOf(time.Now().UnixMilli())
	tier.insert(t, today-40, 0, 10_000)
	tier.insert(t, today-35, 1_000_000, 5_000)
	tier.insert(t, today-3, 2_000_000, 1_000)
	refused := func(t *testing.T, statement string) {
		t.Helper()
		err := tier.conn.Exec(t.Context(), statement)
		var ex *clickhouse.Exception
		if !errors.As(err, &ex) || ex.Code != 497 {
			t.Errorf("%s: got %v, want that it is not granted", statement, err)
		}
	}
	hot, sealed, all := tier.schema.Hot(tier.tables), tier.schema.Sealed(tier.tables), tier.schema.All(tier.tables)
	rows, hash := tier.content(t, "(SELECT * FROM "+hot+" WHERE device_id != 'device-1')")

	t.Run("compactor", func(t *testing.T) {
		as(t, s, e.names(), "clickhouse/compactor.sql")
		c := tier.compactor(tiering.Events{})
		left, err := c.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(left) != 1 || left[0].Day != today-3 {
			t.Errorf("left %v, want the hot day", left)
		}
		if _, err := c.Verify(t.Context(), nil); err != nil {
			t.Error(err)
		}
		// One of the days comes back, and goes again.
		if _, err := c.Restore(t.Context(), []schema.Day{today - 35}, time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		if n := tier.count(t, "SELECT count() FROM "+sealed); n != 5_000 {
			t.Errorf("%d rows are restored, want 5000", n)
		}
		if _, err := c.Release(t.Context(), []schema.Day{today - 35}); err != nil {
			t.Error(err)
		}
		for _, statement := range []string{
			"ALTER TABLE " + hot + " DROP PARTITION '2026-01-01'",
			"ALTER TABLE " + hot + " DELETE WHERE 1",
			"DELETE FROM " + hot + " WHERE 1",
			"INSERT INTO " + hot + " (device_id) VALUES ('x')",
			"ALTER TABLE " + hot + " ADD COLUMN x UInt8",
			"ALTER TABLE " + sealed + " ADD COLUMN x UInt8",
			"TRUNCATE TABLE " + sealed, "DROP TABLE " + sealed, "DROP TABLE " + hot,
			"CREATE TABLE privileges.x (x UInt8) ENGINE = Memory",
			"DROP DATABASE privileges",
			"DROP NAMED COLLECTION " + e.config().NamedCollection,
			"INSERT INTO FUNCTION s3(" + e.config().NamedCollection + ", filename = 'x.parquet', format = 'Parquet') SELECT 1",
			"CREATE USER x",
		} {
			refused(t, statement)
		}
	})

	t.Run("eraser", func(t *testing.T) {
		wait := func(ctx context.Context, _ uint64) error {
			select {
			case <-time.After(50 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		c := tier.compactor(tiering.Events{})
		if _, err := c.Erase(t.Context(), []string{"device-1"}, wait); err == nil || !strings.Contains(err.Error(), "ALTER DELETE ON privileges.telemetry") {
			t.Errorf("erase as the compactor: got %v, want the right that is missing", err)
		}
		as(t, s, e.names(), "clickhouse/compactor.sql", "clickhouse/erase.sql")
		if _, err := c.Erase(t.Context(), []string{"device-1"}, wait); err != nil {
			t.Error(err)
		}
	})

	t.Run("exporter", func(t *testing.T) {
		objects := openS3(t, e.bucket)
		forbidden(t, "delete", objects.Delete(t.Context(), "telemetry/lease.json"))
		_, err := objects.Uploads(t.Context(), "")
		forbidden(t, "list uploads", err)
		_, err = s.S3.Client().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &e.bucket.Bucket, Key: aws.String("privileges/telemetry/lease.json")})
		if err != nil {
			t.Errorf("the lease is gone: %v", err)
		}
		outside := e.bucket
		outside.Prefix = "elsewhere"
		forbidden(t, "create", store.CreateBytes(t.Context(), openS3(t, outside), "x", nil))
	})

	t.Run("reader", func(t *testing.T) {
		reader := e.bucket
		reader.AccessKey, reader.SecretKey = transport.NewSecret("reader"), transport.NewSecret("reader-secret")
		objects := openS3(t, reader)
		forbidden(t, "create", objects.Create(t.Context(), "telemetry/day=2026-01-01/gen=000001/x.parquet", strings.NewReader(""), store.SumBytes(nil)))
		_, _, err := objects.Get(t.Context(), "telemetry/lease.json")
		forbidden(t, "get", err)
		forbidden(t, "delete", objects.Delete(t.Context(), "telemetry/lease.json"))
	})

	t.Run("gc", func(t *testing.T) {
		orphan := "telemetry/day=2026-01-01/gen=000001/part-00000-0123456789abcdef.parquet"
		if err := store.CreateBytes(t.Context(), openS3(t, e.bucket), orphan, []byte("left by a crash")); err != nil {
			t.Fatal(err)
		}
		_, err := tier.compactor(tiering.Events{}).GC(t.Context(), openS3(t, e.bucket), time.Nanosecond, true)
		forbidden(t, "gc as the exporter", err)

		own := *tier
		b := e.bucket
		b.AccessKey, b.SecretKey = transport.NewSecret("gc"), transport.NewSecret("gc-secret")
		objects := openS3(t, b)
		own.objects = objects
		garbage, err := own.compactor(tiering.Events{}).GC(t.Context(), objects, time.Nanosecond, true)
		if err != nil {
			t.Fatal(err)
		}
		deleted := 0
		for _, g := range garbage {
			if g.Deleted {
				deleted++
			}
		}
		if deleted != len(garbage) || deleted < 2 { // the orphan, and old versions of manifests
			t.Errorf("deleted %d of %+v", deleted, garbage)
		}
		forbidden(t, "delete the lease", objects.Delete(t.Context(), "telemetry/lease.json"))
		forbidden(t, "create", store.CreateBytes(t.Context(), objects, orphan, nil))
	})

	t.Run("analyst", func(t *testing.T) {
		as(t, s, e.names(), "clickhouse/analyst.sql")
		if r, h := tier.content(t, all); r != rows || h != hash {
			t.Errorf("the view shows %d events with hash %d, want %d with %d: all but those of the device that is erased", r, h, rows, hash)
		}
		for _, statement := range []string{
			"INSERT INTO " + hot + " (device_id) VALUES ('x')",
			"ALTER TABLE " + sealed + " DELETE WHERE 1",
			"ALTER TABLE " + hot + " DROP PARTITION '2026-01-01'",
			"DROP VIEW " + all,
			"ALTER NAMED COLLECTION " + e.config().NamedCollection + " SET url = 'http://elsewhere'",
		} {
			refused(t, statement)
		}
	})

	t.Run("watch", func(t *testing.T) {
		as(t, s, e.names(), "clickhouse/watch.sql")
		seesEverything(t, a, e)
		for _, statement := range []string{
			"INSERT INTO " + hot + " (device_id) VALUES ('x')",
			"SELECT temperature FROM " + hot,
			"SELECT device_id FROM " + sealed,
			"ALTER TABLE " + hot + " DROP PARTITION '2026-01-01'",
		} {
			refused(t, statement)
		}
	})
}

// seesEverything runs `ingest watch` until it has told of all that there is, and has looked
// for canaries, which come to nothing: no node lives.
func seesEverything(t *testing.T, a stack.Addresses, e coldTier) {
	t.Helper()
	const topic = "privileges"
	if err := kafka.CreateTopic(t.Context(), a.Kafka.Brokers, topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	w := newWatched(t, topic, a, e.clickHouse.Database)
	w.start(t)
	for _, one := range [][2]string{
		{"up", `what="kafka"`}, {"up", `what="clickhouse"`}, {"parts", `table="telemetry"`}, {"parts", `table="telemetry_1m_state"`},
		{"parts_throw_limit", `table="telemetry"`}, {"disk_free_bytes", ""}, {"days", `state="hot"`}, {"days", `state="cold"`},
	} {
		w.reaches(t, one[0], one[1], isAtLeast(1))
	}
	w.reaches(t, "readonly_replicas", "", isExactly(0))
	w.reaches(t, "canary_sent_total", "", isAtLeast(30))
	w.reaches(t, "canary_failures_total", `what="query"`, isExactly(0))
}

// forbidden fails the test unless S3 refused for want of a right.
func forbidden(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "AccessDenied") && !strings.Contains(err.Error(), "403") {
		t.Errorf("%s: got %v, want that it is forbidden", what, err)
	}
}
