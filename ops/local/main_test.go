package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUsageErrors are errors that come before anything is fetched or started,
// each with the value and what to do instead.
func TestUsageErrors(t *testing.T) {
	// Without a cache and without tools, whatever begins to fetch fails
	// differently.
	t.Setenv("PENSTOCK_CACHE", filepath.Join(t.TempDir(), "cache"))
	t.Setenv("PATH", t.TempDir())
	used := t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "data"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		err := run(args)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("local %s: error %v, want %q", strings.Join(args, " "), err, want)
		}
	}
	f(`there is no "postgres" to fetch; there are kafka, chdb, versitygw, duckdb`, "fetch", "postgres")
	f(`state folder `+used+` is not empty`, "smoke", "--state", used)
	f(`--rate is 0; send at least 1`, "smoke", "--rate", "0", "--state", filepath.Join(used, "new"))
	f(`--kafka is "redpanda"; use apache or kfake`, "up", "--kafka", "redpanda", "--state", filepath.Join(used, "new"))
	f(`java is missing; Apache Kafka needs Java 17`, "up", "--kafka", "apache", "--state", filepath.Join(used, "new"))
	f(`required flag(s) "path" not set`, "clickhouse")
	f(`--case: case "json-redshift-none" is not`, "bench", "--case", "json-redshift-none")
	f(`--runs is 0; take at least 1`, "bench", "--runs", "0", "--state", filepath.Join(used, "bench"))
	f(`program loadtest: `, "bench", "--bin", used, "--state", filepath.Join(used, "bench"))
	f(`program ingest: `, "run", "--bin", used, "--state", filepath.Join(used, "new"))

	t.Chdir(t.TempDir())
	f("give a folder with --state", "up")
	f("give a folder with --bin", "run")
}

// TestEveryCommandShowsAnExample: a help that only lists flags helps nobody.
func TestEveryCommandShowsAnExample(t *testing.T) {
	for _, cmd := range command().Commands() {
		if cmd.Long == "" || !strings.Contains(cmd.Example, "local "+cmd.Name()) {
			t.Errorf("local %s has no long help or no example of itself", cmd.Name())
		}
	}
}

// Without Java the stack runs on kfake, and Kafka's jars are not asked for.
func TestFetchWithoutJava(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("PENSTOCK_CACHE", t.TempDir())
	var notes strings.Builder
	root := command()
	root.SetErr(&notes)
	root.SetArgs([]string{"fetch"})
	err := root.ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "npm is missing") || strings.Contains(err.Error(), "mvn") {
		t.Errorf("got %v; want it to ask for npm and not for Maven", err)
	}
	if !strings.Contains(notes.String(), "kafka is kfake, not Apache Kafka: java is missing") {
		t.Errorf("it says %q", notes.String())
	}
}

func TestFetchOfNothingMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	cache := t.TempDir()
	t.Setenv("PENSTOCK_CACHE", cache)
	gateway := filepath.Join(cache, "versitygw-1.8.0", "versitygw")
	if err := os.MkdirAll(filepath.Dir(gateway), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(gateway, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	root := command()
	root.SetOut(&out)
	root.SetArgs([]string{"fetch", "versitygw"})
	if err := root.ExecuteContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	if want := "versitygw 1.8.0  " + gateway + "\n"; out.String() != want {
		t.Errorf("it says %q, want %q", out.String(), want)
	}
}
