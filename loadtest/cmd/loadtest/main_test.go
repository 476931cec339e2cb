package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/loadtest"
)

func TestFromEnv(t *testing.T) {
	root := command()
	run, _, err := root.Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.ParseFlags([]string{"--rate", "5", "--brokers", "a:1,b:2"}); err != nil {
		t.Fatal(err)
	}
	err = fromEnv(run, []string{"PENSTOCK_LOADTEST_RATE=7", "PENSTOCK_LOADTEST_VERIFY_TIMEOUT=3s", "PENSTOCK_LOADTEST_DEVICES=many",
		"PENSTOCK_LOADTEST_RAET=7", "PENSTOCK_OTHER=1", "PATH=/bin"})
	for _, want := range []string{"PENSTOCK_LOADTEST_DEVICES", `"many"`, "PENSTOCK_LOADTEST_RAET", "--help"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %s in it", err, want)
		}
	}
	for flag, want := range map[string]string{"rate": "5", "verify-timeout": "3s", "brokers": "[a:1,b:2]"} {
		if got := run.Flag(flag).Value.String(); got != want {
			t.Errorf("%s is %s, want %s", flag, got, want)
		}
	}
	verify, _, err := root.Find([]string{"verify"})
	if err != nil {
		t.Fatal(err)
	}
	if err := fromEnv(verify, []string{"PENSTOCK_LOADTEST_RATE=7"}); err != nil {
		t.Errorf("a variable of run alone, for verify: %v", err)
	}
}

func TestReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "result.json")
	missing := errors.New("1 readings missing")
	if err := report(loadtest.Result{Run: "t", Produced: 9}, missing, path); !errors.Is(err, missing) {
		t.Errorf("the proof's error became %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got loadtest.Result
	if err := json.Unmarshal(text, &got); err != nil || got.Produced != 9 {
		t.Errorf("reported %s, %v", text, err)
	}
	if err := report(loadtest.Result{}, missing, filepath.Join(t.TempDir(), "no", "folder")); !errors.Is(err, missing) {
		t.Errorf("a run that was not made: %v", err)
	}
}
