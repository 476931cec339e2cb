package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/ops/settings"
	"penstock/schema"
	"penstock/tiering"
	"penstock/transport"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; understand the difference before you commit it")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s; -rewrite writes it anew. Got:\n%s", path, got)
	}
}

const good = `clickhouse: {addr: "127.0.0.1:9000"}
s3: {endpoint: "http://127.0.0.1:7070", bucket: cold, prefix: fleet, access_key: a, secret_key: b, path_style: true}
hot_days: 31
grace: 0s
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "compactor.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file, then the environment, then flags; what none gives is the default.
func TestConfigSources(t *testing.T) {
	cfg, err := load(settings.Sources{
		File: write(t, good), EnvPrefix: envPrefix,
		Environ: []string{"PENSTOCK_COMPACTOR_CLICKHOUSE__PASSWORD=pw", "PENSTOCK_COMPACTOR_FILE_BYTES=7", "PENSTOCK_CACHE=/elsewhere"},
		Set:     []string{"file_bytes=9"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Tiering.HotDays != 31 || cfg.Tiering.Grace != 0 || cfg.Tiering.FileBytes != 9 || !cfg.ClickHouse.Password.Same(transport.NewSecret("pw")) ||
		cfg.S3.Prefix != "fleet" || cfg.Tiering.LeaseTTL != time.Minute || cfg.ClickHouse.Database != "default" {
		t.Errorf("config %+v", cfg)
	}
}

// Every fault at once, each with key, value and remedy.
func TestConfigFaults(t *testing.T) {
	_, err := load(settings.Sources{File: write(t, `clickhouse: {adr: "127.0.0.1:9000", block_rows: many}
s3: {endpoint: "127.0.0.1:7070", access_key: a, prefix: "/cold tier"}
hot_day: 30
grace: -1h
file_bytes: 0
spool_dir: /does/not/exist
`)})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"clickhouse.adr is not a setting; did you mean clickhouse.addr", `clickhouse.block_rows is "many"`, "clickhouse.addr is empty",
		"hot_day is not a setting; did you mean hot_days", "grace is -1h0m0s", "file_bytes is 0", `spool_dir is "/does/not/exist"`,
		"s3.bucket is empty", `s3.endpoint is "127.0.0.1:7070"`, "s3.access_key and s3.secret_key", `s3.prefix is "/cold tier"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
}

// What is wrong with the command line or the config is said before anything is
// reached.
func TestCommandFaults(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		root := command(new(bytes.Buffer))
		root.SetArgs(append(args, "--config", write(t, good)))
		err := root.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", args, err, want)
		}
	}
	f("--every is 0s", "run", "--every", "0s")
	f("if any flags in the group [once every] are set", "run", "--once", "--every", "1m")
	f(`--day: day "yesterday" is not written as`, "verify", "--day", "yesterday")
	f(`required flag(s) "day" not set`, "restore")
	f(`--day: day "soon" is not written as`, "restore", "--day", "2026-10-01..soon")
	f("--day 2026-10-02..2026-10-01 ends before it begins", "release", "--day", "2026-10-02..2026-10-01")
	f("--for is -1h0m0s", "restore", "--day", "2026-10-01", "--for", "-1h")
	f(`required flag(s) "device" not set`, "erase")
	f("--device is empty", "erase", "--device", "a", "--device", "")
	f("--sample is 0", "verify", "--sample", "0")
	f("--months is 0", "calendar", "--months", "0")
	f("hot_days is 0", "plan", "--set", "hot_days=0")
	f("max_read_mbps is 0.5", "run", "--max-read-mbps", "0.5")
	f("max_memory is 7 bytes", "run", "--max-memory", "7")
	f(`unknown command "move"`, "move")
}

// An unreachable ClickHouse is named with what to check.
func TestUnreachable(t *testing.T) {
	root := command(new(bytes.Buffer))
	root.SetArgs([]string{"plan", "--config", write(t, good), "--set", "clickhouse.addr=127.0.0.1:1"})
	err := root.ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "clickhouse 127.0.0.1:1 as user default") {
		t.Errorf("got %v, want the address and the user", err)
	}
}

func TestParseDays(t *testing.T) {
	days, err := parseDays([]string{"2026-10-30..2026-11-02", "2026-09-01", "2026-11-01"})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(days); got != "[2026-09-01 2026-10-30 2026-10-31 2026-11-01 2026-11-02]" {
		t.Errorf("got %s", got)
	}
}

func TestShowPlanGolden(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	day := func(s string) schema.Day {
		d, err := schema.ParseDay(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	step := func(d string, state tiering.State, action tiering.Action, hot, sealed, cold uint64, due time.Time) tiering.Step {
		return tiering.Step{Day: day(d), State: state, Action: action, Generation: 1, Due: due, ColdRows: cold,
			Partition: tiering.Partition{Day: day(d), HotRows: hot, SealedRows: sealed}}
	}
	steps := []tiering.Step{
		step("2026-09-01", tiering.Cold, tiering.Nothing, 0, 0, 86_400_000, time.Time{}),
		step("2026-08-30", tiering.Restored, tiering.Release, 17, 86_400_000, 86_400_000, now.Add(48*time.Hour)),
		step("2026-08-31", tiering.Loading, tiering.Load, 0, 5_000, 86_400_000, time.Time{}),
		step("2026-09-02", tiering.Cold, tiering.Seal, 17, 0, 86_400_000, now.Add(-time.Hour)),
		step("2026-10-20", tiering.Cut, tiering.Expire, 0, 5_000, 4_990, now.Add(time.Hour)),
		step("2026-10-21", tiering.Published, tiering.CutOver, 0, 5_000, 4_990, time.Time{}),
		step("2026-10-22", tiering.Sealed, tiering.Export, 3, 5_000, 0, time.Time{}),
		step("2026-11-23", tiering.Hot, tiering.Seal, 1_200, 0, 0, day("2026-12-24").Start()),
	}
	var out bytes.Buffer
	if err := showPlan(&out, now, steps); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, summary(now, steps[1:]))
	fmt.Fprintln(&out, summary(now, steps[5:]))
	fmt.Fprintln(&out, summary(now, nil))
	golden(t, "plan.txt", out.Bytes())
}
