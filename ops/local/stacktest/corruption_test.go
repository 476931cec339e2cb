package stacktest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/ops/local/kafka"
	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
)

// TestCorruptionIsFound damages a day that is about to be dropped, in one way
// after the other: its objects behind the back of S3, a manifest, the sealed
// rows. Each time `compactor verify` and `compactor run` end with a status that
// tells a fault of the cold tier from what kept them from looking, name what it
// is, with both values, and nothing is dropped.
func TestCorruptionIsFound(t *testing.T) {
	a := start(t, kafka.KFake).Addresses()
	e := coldTierOf(a, "corruption", "corruption")
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) {
		c.FileBytes, c.RowGroupRows = 1, 4_000
		c.Grace = time.Hour
	})
	day := schema.DayOf(time.Now().UnixMilli()) - 40
	s.insert(t, day, 0, 10_000)
	c := s.compactor(tiering.Events{})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := c.Files(t.Context())
	if err != nil || len(keys) != 3 {
		t.Fatalf("files %v, %v; want 3", keys, err)
	}
	folder := filepath.Join(a.State, "s3", "data", a.S3.Bucket, e.bucket.Prefix)
	manifests, err := filepath.Glob(filepath.Join(folder, s.schema.Name, "manifests", "day="+day.String(), "*.json"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("manifests %v, %v", manifests, err)
	}
	manifest := manifests[len(manifests)-1]
	compactor := s.program(t, e)
	sealed := s.count(t, "SELECT count() FROM "+s.schema.Sealed(s.tables))

	const fault, hindered = 2, 1
	found := func(name string, status int, want ...string) {
		t.Helper()
		for _, args := range [][]string{{"verify"}, {"run", "--once", "--set", "grace=0s"}} {
			said, err := compactor(args...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != status {
				t.Errorf("%s: compactor %s ended with %v, want status %d:\n%s", name, args[0], err, status, said)
			}
			for _, text := range want {
				if !strings.Contains(said, text) {
					t.Errorf("%s: compactor %s does not name %q:\n%s", name, args[0], text, said)
				}
			}
		}
		if rows := s.count(t, "SELECT count() FROM "+s.schema.Sealed(s.tables)); rows != sealed {
			t.Errorf("%s: %d sealed rows are left of %d", name, rows, sealed)
		}
	}
	path := func(key string) string { return filepath.Join(folder, key) }
	// damaged has files changed and put right again.
	damaged := func(name string, status int, paths []string, damage func(), want ...string) {
		t.Helper()
		kept := map[string][]byte{}
		for _, p := range paths {
			kept[p] = bytesOf(t, p)
		}
		damage()
		found(name, status, want...)
		for p, body := range kept {
			overwrite(t, p, body)
		}
	}
	one, other := path(keys[0]), path(keys[1])
	size := len(bytesOf(t, one))

	sum := store.SumBytes(bytesOf(t, one)).String()
	damaged("a byte flipped", fault, []string{one}, func() {
		body := bytesOf(t, one)
		body[size/2] ^= 1
		overwrite(t, one, body)
	}, keys[0], "the object has the SHA-256 ", "the manifest says "+sum)
	damaged("an object cut short", fault, []string{one}, func() { overwrite(t, one, bytesOf(t, one)[:size-100]) },
		keys[0], fmt.Sprintf("the object has %d bytes", size-100), fmt.Sprintf("the manifest says %d", size))
	damaged("an object missing", fault, []string{one}, func() {
		if err := os.Remove(one); err != nil {
			t.Fatal(err)
		}
	}, keys[0], "object does not exist")
	damaged("two objects exchanged", fault, []string{one, other}, func() {
		body := bytesOf(t, one)
		overwrite(t, one, bytesOf(t, other))
		overwrite(t, other, body)
	}, keys[0], keys[1])

	// Of the manifest, a count that was changed behind the back of S3, and one that
	// was changed by way of it.
	recounted := func(body []byte) []byte {
		changed := bytes.Replace(body, []byte(`"rows": 4000,`), []byte(`"rows": 4001,`), 1)
		if bytes.Equal(body, changed) {
			t.Fatalf("the manifest has no file of 4000 rows:\n%s", body)
		}
		return changed
	}
	damaged("a manifest", hindered, []string{manifest}, func() { overwrite(t, manifest, recounted(bytesOf(t, manifest))) },
		strings.TrimPrefix(manifest, folder+"/"), store.SumBytes(bytesOf(t, manifest)).String())
	original := bytesOf(t, manifest)
	s.replace(t, strings.TrimPrefix(manifest, folder+"/"), recounted(original))
	found("a count in the manifest", fault, keys[0], "4000 rows read back, 4001 written", "the files of generation 1 have 10001 rows, want 10000")
	s.replace(t, strings.TrimPrefix(manifest, folder+"/"), original)

	// A count of the sealed rows says what was lost beside the compactor.
	s.exec(t, fmt.Sprintf("ALTER TABLE %s DELETE WHERE seq < 7 SETTINGS mutations_sync = 2", s.schema.Sealed(s.tables)))
	was := sealed
	sealed = s.count(t, "SELECT count() FROM "+s.schema.Sealed(s.tables))
	found("sealed rows deleted", fault, day.String(), fmt.Sprint(sealed, " rows"), fmt.Sprint(was))
}

// replace replaces an object by way of S3.
func (s *services) replace(t *testing.T, key string, body []byte) {
	t.Helper()
	o, err := s.objects.Head(t.Context(), key)
	if err == nil {
		_, err = s.objects.Replace(t.Context(), key, o.Tag, body)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// program returns what runs the compactor's own program, with the configuration
// of the test.
func (s *services) program(t *testing.T, e coldTier) func(args ...string) (said string, err error) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "compactor.yaml")
	overwrite(t, config, fmt.Appendf(nil, `clickhouse: {addr: %q, user: %q, password: %q, database: %q, named_collection: %q}
s3: {endpoint: %q, bucket: %q, prefix: %q, access_key: %q, secret_key: %q, attempts: 2}
grace: 1h
late_every: 0s
file_bytes: 1
row_group_rows: %d
spool_dir: %q
`, s.at.Addr, s.at.User, e.clickHouse.Password, s.at.Database, s.at.NamedCollection,
		e.bucket.Endpoint, e.bucket.Bucket, e.bucket.Prefix, e.s3.AccessKey, e.s3.SecretKey, s.config.RowGroupRows, dir))
	return programWith(t, config)
}

// programWith returns what runs the compactor's own program with a configuration.
func programWith(t *testing.T, config string) func(args ...string) (said string, err error) {
	path := filepath.Join(products(t), "compactor")
	return func(args ...string) (string, error) {
		said, err := exec.CommandContext(t.Context(), path, slices.Concat(args, []string{"--config", config})...).CombinedOutput()
		return string(said), err
	}
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func overwrite(t *testing.T, path string, body []byte) {
	t.Helper()
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
}
