package clickhouse

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"penstock/ops/local/fetch"
)

// addresses of the one server this process can have.
var addresses struct{ tcp, http string }

const (
	user     = "reader"
	password = "a secret's \\ password"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	cache, err := fetch.Fetched(context.Background(), os.Stderr, fetch.ClickHouse)
	lib := cache.Path(fetch.ClickHouse)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
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
