package clickhouse

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"penstock/ops/local/fetch"
)

// The clients are pinned, so that a new release of theirs is a change of ours.
var pythonClients = fetch.Venv("clickhouse-clients", "0.2.11-1.12.0", 60e6, "clickhouse-driver[lz4,zstd]==0.2.11", "clickhouse-connect==1.12.0")

func TestPythonClients(t *testing.T) {
	cache, err := fetch.Fetched(t.Context(), os.Stderr, pythonClients)
	if err != nil {
		t.Fatal(err)
	}
	python := cache.Path(pythonClients)
	f := func(script, address string) {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", script), host, port, user, password)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
	f("native_client.py", addresses.tcp)
	f("http_client.py", addresses.http)
}
