package servicetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// cached returns a file of the local stack: the one an environment variable
// names, or the newest that matches in the repository's cache.
func cached(t testing.TB, variable, pattern string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	cache := os.Getenv("PENSTOCK_CACHE")
	if cache == "" {
		cache = filepath.Join(root(t), ".cache")
	}
	found, err := filepath.Glob(filepath.Join(cache, pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Skipf("skipped: there is neither %s nor %s; \"go run -C ops/local . fetch\" fetches it", variable, filepath.Join(cache, pattern))
	}
	return found[len(found)-1]
}

// root returns the root of the repository, which is where the folder ops is.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "ops", "local")); err == nil && info.IsDir() {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the test runs outside of the repository")
		}
	}
}

// start starts a service, kills it when the test ends, and returns the path of
// its log.
func start(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(cmd.Path)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("stop %s: %v", cmd.Path, err)
		}
		// The error is the kill above.
		_ = cmd.Wait()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log.Name()
}
