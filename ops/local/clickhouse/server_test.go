package clickhouse

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// addresses of the one server this process can have.
var addresses struct{ tcp, http string }

const (
	user     = "reader"
	password = "a secret's \\ password"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	lib, err := library()
	if err != nil {
		fmt.Printf("SKIP ops/local/clickhouse: %v\n", err)
		return 0
	}
	if data := os.Getenv(dataVariable); data != "" {
		return serveChild(lib, data)
	}
	data, err := os.MkdirTemp("", "clickhouse-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(data) }() // below the temporary folder anyway
	ctx, stop := context.WithCancel(context.Background())
	up, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Serve(ctx, Config{Lib: lib, Path: data, TCP: "127.0.0.1:0", HTTP: "127.0.0.1:0", User: user, Password: password},
			func(tcp, http net.Addr) {
				addresses.tcp, addresses.http = tcp.String(), http.String()
				close(up)
			})
	}()
	select {
	case <-up:
	case err := <-done:
		panic(err)
	}
	code := m.Run()
	stop()
	if err := <-done; err != nil {
		fmt.Println("FAIL: the server did not stop cleanly:", err)
		return 1
	}
	return code
}

// library finds libchdb.so: the environment says where, or it is in the cache.
func library() (string, error) {
	path := os.Getenv("PENSTOCK_LIBCHDB")
	if path == "" {
		path = filepath.Join(cacheDir(), "chdb-26.7.3", "libchdb.so")
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no ClickHouse engine: %w; fetch it with `go run . fetch` in ops/local, or set PENSTOCK_LIBCHDB", err)
	}
	return path, nil
}

// cacheDir is where the local stack keeps what it fetched.
func cacheDir() string {
	if dir := os.Getenv("PENSTOCK_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", ".cache")
}
