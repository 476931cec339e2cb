// Package stacktest has the tests that need the stack. They start it
// themselves; what of it is not in the cache is fetched first.
package stacktest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"penstock/ops/local/fetch"
	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
)

// programs is the folder of the program under test.
var programs string

// build builds it for the first test that needs it.
var build = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(programs, "local")
	return path, goBuild("", path, "penstock/ops/local")
})

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	var err error
	if programs, err = os.MkdirTemp("", "penstock-local-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(programs); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

// local is the path of the program.
func local(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// config is a stack of its own, with the cache that everything shares.
func config(t *testing.T, kind kafka.Kind) stack.Config {
	t.Helper()
	dir, err := fetch.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	return stack.Config{
		State: filepath.Join(t.TempDir(), "state"),
		Cache: fetch.Cache{Dir: dir, Out: os.Stderr}, Kafka: kind,
		ClickHouse: []string{local(t), "clickhouse"},
		Notes:      io.Discard,
	}
}

// start starts a stack and stops it when the test ends.
func start(t *testing.T, kind kafka.Kind) *stack.Stack {
	t.Helper()
	cfg := config(t, kind)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}
