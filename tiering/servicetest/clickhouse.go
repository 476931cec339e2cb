package servicetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// User and Password are the account of [ClickHouse].
const User, Password = "penstock", "test-password"

// ClickHouse starts the engine of the local stack over an empty folder, stops
// it when the test ends, and returns the address of its native protocol.
func ClickHouse(t testing.TB) string {
	t.Helper()
	lib := cached(t, "PENSTOCK_LIBCHDB", "chdb-*/libchdb.so")
	program := filepath.Join(t.TempDir(), "local")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(root(t), "ops", "local")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the local stack: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "clickhouse", "--lib", lib, "--path", filepath.Join(t.TempDir(), "data"),
		"--tcp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--user", User)
	cmd.Env = append(os.Environ(), "CLICKHOUSE_PASSWORD="+Password)
	return readAddr(t, start(t, cmd))
}

// native is how the engine says that it is ready.
var native = regexp.MustCompile(`clickhouse native (\S+) http`)

func readAddr(t testing.TB, log string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if m := native.FindSubmatch(text); m != nil {
			return string(m[1])
		}
		select {
		case <-ctx.Done():
			t.Fatalf("ClickHouse does not get ready:\n%s", text)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
