// Package penstock has no code: it holds what the packages below it are to
// each other.
package penstock

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrow is which packages of ours a package may import, by the longest folder that
// it is in. It points one way only:
//
//	cmd -> ops -> {pipeline | tiering} -> {schema, transport, failpoint}
//
// pipeline and tiering never meet, and the watched do not know the watcher. The fleet
// does not know what it proves; its command also plans, and may know ops as every
// command may.
var arrow = map[string][]string{
	"failpoint": {},
	"transport": {},
	"schema":    {},
	"pipeline":  {"schema", "transport", "failpoint"},
	"tiering":   {"schema", "transport", "failpoint"},
	"ops":       {"pipeline", "tiering", "schema", "transport"},
	"loadtest":  {"schema", "transport"},
	"cmd":       {"ops", "pipeline", "tiering", "schema", "transport"},

	"loadtest/cmd": {"loadtest", "ops", "schema", "transport"},
}

func TestImportArrow(t *testing.T) {
	out, err := exec.Command("go", "list", "-f",
		`{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	packages := 0
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(line)
		from, ok := strings.CutPrefix(paths[0], "penstock/")
		if !ok {
			continue // this package
		}
		packages++
		top := folder(from)
		allowed, known := arrow[top]
		if !known {
			t.Errorf("penstock/%s: say in the arrow what it may import", from)
		}
		for _, path := range paths[1:] {
			if to, ours := strings.CutPrefix(path, "penstock/"); ours && !permitted(top, to, allowed) {
				t.Errorf("penstock/%s imports penstock/%s; %s may import only %v and what is below itself", from, to, top, allowed)
			}
		}
	}
	if packages < len(arrow) {
		t.Errorf("go list found %d packages; the arrow names %d folders", packages, len(arrow))
	}
}

// folder is the longest of the arrow's that a package is in, or that of its first
// element.
func folder(path string) string {
	for at := path; ; at = at[:strings.LastIndexByte(at, '/')] {
		if _, known := arrow[at]; known || !strings.Contains(at, "/") {
			return at
		}
	}
}

func permitted(from, to string, allowed []string) bool {
	for _, top := range append([]string{from}, allowed...) {
		if to == top || strings.HasPrefix(to, top+"/") {
			return true
		}
	}
	return false
}

// Whoever reaches a server does so in the one way that knows TLS, SASL and secrets.
func TestOneWayToServers(t *testing.T) {
	ways := map[string][]string{ // and who may
		"kgo.SeedBrokers(":    {"pipeline/config.go", "loadtest/sender.go"},
		"clickhouse.Options{": {"transport/native/login.go"},
		"ch.Dial(":            {"transport/native/login.go"},
	}
	out, err := exec.Command("go", "list", "-f", "{{range .GoFiles}}{{$.Dir}}/{{.}}\n{{end}}", "./...").Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, path := range strings.Fields(string(out)) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		for way, may := range ways {
			switch {
			case !strings.Contains(string(text), way):
			case slices.Contains(may, file):
				found[way]++
			default:
				t.Errorf("%s has %s; take the options of package transport/brokers, or a transport/native.Login, so that it is reached by TLS too", file, way)
			}
		}
	}
	for way, may := range ways {
		if found[way] != len(may) {
			t.Errorf("%s is in %d files, not in all of %v; correct this test", way, found[way], may)
		}
	}
}

// TestProgramsAreLean: what is for tests, and for those who run dashboards and
// alerts, is in no program.
func TestProgramsAreLean(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/...").Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	for _, apart := range []string{"ops/dashboards", "ops/alerts", "ops/reference"} {
		for line := range strings.Lines(string(out)) {
			if strings.TrimSpace(line) == "penstock/"+apart {
				t.Errorf("a program has package %s in it", apart)
			}
		}
	}
}
