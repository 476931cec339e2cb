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
// A venv is named after what is in it.
const pythonClients = "clickhouse-clients-0.2.11-1.12.0"

var pythonPackages = []string{"clickhouse-driver[lz4,zstd]==0.2.11", "clickhouse-connect==1.12.0"}

func TestPythonClients(t *testing.T) {
	python := venv(t)
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

// venv returns a Python that has the clients, making it in the cache the first
// time.
func venv(t *testing.T) (python string) {
	t.Helper()
	cache, err := fetch.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, pythonClients)
	python = filepath.Join(dir, "bin", "python")
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err == nil {
		return python
	}
	python3, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("no python3 for the Python clients; install Python 3.9 or later with venv and pip, for example: apt-get install -y python3-venv")
	}
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(t.Context(), python3, "-m", "venv", "--clear", dir),
		exec.CommandContext(t.Context(), python, append([]string{"-m", "pip", "install", "--quiet"}, pythonPackages...)...),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	if err := os.WriteFile(complete, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return python
}
