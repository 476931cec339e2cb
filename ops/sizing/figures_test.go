package sizing

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"penstock/schema"
)

// A figure is what its source says, in these words and with this value.
func TestFiguresAreWhatTheirSourcesSay(t *testing.T) {
	files := map[string]string{}
	spaces := func(text string) string {
		return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n\t// ", " ")), " ")
	}
	values := map[string]bool{"1000000": true, "1048576": true} // of units
	for _, f := range DefaultFigures().Measured {
		values[strconv.FormatFloat(f.Value, 'f', -1, 64)] = true
	}
	literal := regexp.MustCompile(`[0-9.]+`)
	for _, f := range DefaultFigures().Measured {
		if f.Source == "" {
			continue
		}
		if files[f.Source] == "" {
			text, err := os.ReadFile(filepath.Join("..", "..", f.Source))
			if err != nil {
				t.Fatal(err)
			}
			files[f.Source] = spaces(string(text))
		}
		if f.Quote == "" || !strings.Contains(files[f.Source], spaces(f.Quote)) {
			t.Errorf("%s is %v since %s says %q, which it does not: measure and change both", f.Name, f.Value, f.Source, f.Quote)
		}
		if !strings.HasPrefix(f.Source, "docs/") {
			continue // code says it in its own way
		}
		said := literal.FindAllString(strings.ReplaceAll(strings.ReplaceAll(f.Quote, ",", ""), "two", "2"), -1)
		if f.Derived == "" {
			if !slices.Contains(said, strconv.FormatFloat(f.Value, 'f', -1, 64)) {
				t.Errorf("%s is %v, which is not in %q", f.Name, f.Value, f.Quote)
			}
			continue
		}
		e, err := parse(f.Derived)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.value(nil); err != nil || math.Abs(got-f.Value) > 1e-9*f.Value {
			t.Errorf("%s is %v, and %s is %v (%v)", f.Name, f.Value, f.Derived, got, err)
		}
		for _, number := range literal.FindAllString(f.Derived, -1) {
			if !slices.Contains(said, number) && !values[number] {
				t.Errorf("%s is derived by %s, of which %s is neither in %q nor another figure", f.Name, f.Derived, number, f.Quote)
			}
		}
	}
}

// Every figure and price is used by some plan, and each name is one thing.
func TestFiguresAreUsed(t *testing.T) {
	f := DefaultFigures()
	used := map[string]bool{}
	for _, encoding := range []schema.Encoding{schema.JSON, schema.Protobuf} {
		in := DefaultInput()
		in.Encoding = encoding
		p := mustPlan(t, in)
		for _, figure := range slices.Concat(p.Figures, p.Prices) {
			used[figure.Name] = true
		}
	}
	seen := map[string]bool{}
	for _, g := range DefaultInput().given() {
		seen[g.name] = true
	}
	for _, g := range groups {
		for _, formula := range g.formulas {
			if seen[formula.name] {
				t.Errorf("%s is two things", formula.name)
			}
			seen[formula.name] = true
		}
	}
	for _, figure := range slices.Concat(f.Measured, f.Prices) {
		if seen[figure.Name] {
			t.Errorf("%s is two things", figure.Name)
		}
		seen[figure.Name] = true
		if !used[figure.Name] && figure.Name != "tokens" && figure.Name != "inserts_seen" { // of warnings
			t.Errorf("%s is named by no formula", figure.Name)
		}
	}
}

func TestOverride(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	figures := DefaultFigures()
	write("disk_month: 0.05\nput: 0\n")
	if err := Override(figures.Prices, path); err != nil {
		t.Fatal(err)
	}
	p, err := New(DefaultInput(), figures)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Value("cost_broker_disks"), mustPlan(t, DefaultInput()).Value("cost_broker_disks")*5/8; got < want*0.999 || got > want*1.001 {
		t.Errorf("disks cost %v, want %v", got, want)
	}
	if i := slices.IndexFunc(p.Prices, func(f Figure) bool { return f.Name == "disk_month" }); p.Prices[i].Source != path {
		t.Errorf("its source is %q, want the file", p.Prices[i].Source)
	}

	f := func(text string, want ...string) {
		t.Helper()
		write(text)
		err := Override(DefaultFigures().Prices, path)
		for _, want := range want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q in it", text, err, want)
			}
		}
	}
	f("disk: 1\nvcpu_hour: -1\n", "there is no figure disk", "gib_hour", "vcpu_hour is -1")
	f("a list", "want lines such as")
	if err := Override(DefaultFigures().Prices, path+".none"); err == nil {
		t.Error("a file that is not there is taken")
	}
}
