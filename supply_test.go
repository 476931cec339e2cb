package penstock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// modules are the folders that are modules of their own.
var modules = []string{".", "tiering/iceberg", "ops/local"}

// What is built is what was reviewed: of a library a version, which go.sum has the
// hash of, and nothing in its place but our own modules.
func TestLibrariesAreThoseThatAreNamed(t *testing.T) {
	for _, module := range modules {
		cmd := exec.Command("go", "mod", "edit", "-json")
		cmd.Dir = filepath.FromSlash(module)
		text, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Require []struct{ Path, Version string }
			Replace []struct {
				Old, New struct{ Path, Version string }
			}
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		if len(file.Require) == 0 {
			t.Errorf("%s requires nothing", module)
		}
		for _, r := range file.Replace {
			if !strings.HasPrefix(r.Old.Path, "penstock") || !strings.HasPrefix(r.New.Path, "..") {
				t.Errorf("%s replaces %s by %s %s", module, r.Old.Path, r.New.Path, r.New.Version)
			}
		}
	}
}

// floating is a name of whatever is newest when it is fetched.
var floating = regexp.MustCompile(`[@:](latest|main|master|edge|nightly)\b`)

// Tools, programs and images are fetched at a version as well.
func TestNothingIsFetchedByAFloatingName(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if got := floating.MatchString(text); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	f("go install example.org/tool@latest", true)
	f("FROM debian:latest", true)
	f("FROM debian:13.1", false)
	f("GOLANGCI := v2.15.0", false)

	looked := 0
	look := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		looked++
		for i, line := range strings.Split(string(text), "\n") {
			if floating.MatchString(line) {
				t.Errorf("%s:%d: %s", path, i+1, strings.TrimSpace(line))
			}
		}
	}
	look("Makefile")
	for _, root := range []string{".ci", "ops/deploy", "ops/local/fetch"} {
		err := filepath.WalkDir(filepath.FromSlash(root), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				look(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked < 10 {
		t.Errorf("only %d files were looked at", looked)
	}
}

// A check of vulnerabilities that could not be made is never taken for one that found
// none.
func TestVulnerabilities(t *testing.T) {
	f := func(name, says string, code int, require string, wantCode int, want string) {
		t.Helper()
		check := filepath.Join(t.TempDir(), "govulncheck")
		if err := os.WriteFile(check, fmt.Appendf(nil, "#!/bin/sh\necho '%s'\nexit %d\n", says, code), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash", filepath.Join(".ci", "vuln"), check, ".", "schema")
		cmd.Env = append(os.Environ(), "VULN="+require)
		said, err := cmd.CombinedOutput()
		got := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != wantCode || !strings.Contains(string(said), want) {
			t.Errorf("%s: exit %d, want %d:\n%swant %q", name, got, wantCode, said, want)
		}
	}
	const away = `govulncheck: fetching vulnerabilities: Get "https://example.org/index": dial tcp: no such host`
	f("none", "No vulnerabilities found.", 0, "", 0, "vuln schema: checked, none can be reached")
	f("one", "Vulnerability #1: GO-2026-0001", 3, "", 3, "GO-2026-0001")
	f("no database", away, 1, "", 0, "vuln . schema: NOT CHECKED: the database of vulnerabilities cannot be reached (govulncheck: fetching")
	f("no database, and it is required", away, 1, "require", 1, "NOT CHECKED")
	f("it does not compile", "govulncheck: loading packages: There are errors", 1, "", 1, "There are errors")
}

// What the threat model says is shown by a test is shown by one that exists.
func TestTheThreatModelNamesTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.IsDir() && d.Name() == ".cache":
			return fs.SkipDir
		case err != nil || !strings.HasSuffix(path, "_test.go"):
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllSubmatch(source, -1) {
			have[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, m := range testName.FindAllSubmatch(text, -1) {
		if named++; !have[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
	if named < 20 {
		t.Errorf("it names %d tests", named)
	}
}

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	testName = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)\\w+)`")
)
