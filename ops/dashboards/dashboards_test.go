package dashboards

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the dashboards; read the difference before you keep it")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is not what the code makes; go test ./ops/dashboards -rewrite", path)
	}
}

// TestFiles: the files are what the code makes, and there are no others.
func TestFiles(t *testing.T) {
	want := map[string]bool{}
	for _, d := range All() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("grafana", d.Name+".json")
		want[path] = true
		golden(t, path, text)
	}
	files, err := filepath.Glob("grafana/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f] {
			t.Errorf("%s is of no dashboard", f)
		}
	}
}

// TestQueries writes what panels ask as rules, for promtool to read: it says
// whether Prometheus would understand them.
func TestQueries(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What the panels ask, for promtool check rules. Written by the test.\ngroups:\n")
	for _, d := range All() {
		fmt.Fprintf(&b, "  - name: %s\n    rules:\n", d.Name)
		for i, q := range d.Queries() {
			if strings.Contains(q.Expr, "$") {
				t.Errorf("%s, %s: a variable that no dashboard has: %s", d.Name, q.Panel, q.Expr)
			}
			fmt.Fprintf(&b, "      - {record: 'panel:%s:%d', expr: '%s'}\n", d.Name, i, strings.ReplaceAll(q.Expr, "'", "''"))
		}
	}
	golden(t, filepath.Join("testdata", "queries.yaml"), []byte(b.String()))
}

// TestPanels: each says what good looks like, in what unit, and links a runbook;
// they lie in the grid and not on one another.
func TestPanels(t *testing.T) {
	for _, d := range All() {
		taken := map[[2]int]string{}
		for i, p := range d.model.Panels {
			at := fmt.Sprintf("%s, %s", d.Name, p.Title)
			if p.ID != i+1 {
				t.Errorf("%s has id %d, want %d", at, p.ID, i+1)
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s lies on %q, or outside", at, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if !strings.Contains(p.Description, "ood is") {
				t.Errorf("%s does not say what good is", at)
			}
			if p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || len(p.Links) != 1 {
				t.Errorf("%s lacks its unit, query or runbook", at)
			}
		}
	}
}
