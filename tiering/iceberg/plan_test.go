package iceberg

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"penstock/schema"
	"penstock/tiering"
)

// manifests returns manifests of days from firstDay on: a text a day, such as
// "3: a b | c" for version 3 with files a and b in one generation and c in the
// next, or "4:" for a retired one. An empty text is a day without a manifest.
func manifests(texts ...string) map[schema.Day]*tiering.Manifest {
	out := make(map[schema.Day]*tiering.Manifest)
	for i, text := range texts {
		if text == "" {
			continue
		}
		number, files, _ := strings.Cut(text, ":")
		version, err := strconv.Atoi(number)
		if err != nil {
			panic(err)
		}
		m := &tiering.Manifest{Version: version}
		for generation := range strings.SplitSeq(files, "|") {
			var g tiering.Generation
			for _, path := range strings.Fields(generation) {
				g.Files = append(g.Files, tiering.File{Path: path, Rows: 1})
			}
			m.Generations = append(m.Generations, g)
		}
		out[firstDay+schema.Day(i)] = m
	}
	return out
}

// listed returns a table's files: a text a day, their paths.
func listed(texts ...string) map[string]schema.Day {
	out := make(map[string]schema.Day)
	for i, text := range texts {
		for _, path := range strings.Fields(text) {
			out["t/"+path] = firstDay + schema.Day(i)
		}
	}
	return out
}

func show(commits []Commit) string {
	var b strings.Builder
	for _, c := range commits {
		fmt.Fprint(&b, c.Versions)
		for _, a := range c.Add {
			fmt.Fprintf(&b, " +%s", a.File.Path)
		}
		for _, key := range c.Remove {
			fmt.Fprintf(&b, " -%s", strings.TrimPrefix(key, "t/"))
		}
		b.WriteString("; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func TestPlan(t *testing.T) {
	f := func(name string, published map[schema.Day]*tiering.Manifest, has map[string]schema.Day, most int, want string) {
		t.Helper()
		commits, err := Plan("t", published, has, most)
		got := show(commits)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	f("nothing anywhere", nil, nil, 9, "")
	f("the first files", manifests("1: a b"), nil, 9, "[2024-10-04@1] +a +b")
	f("nothing new", manifests("7: a b"), listed("b a"), 9, "")
	f("late rows", manifests("4: a b | c"), listed("a b"), 9, "[2024-10-04@4] +c")
	f("a merge", manifests("9: a | d"), listed("a b c"), 9, "[2024-10-04@9] +d -b -c")
	f("a retired day", manifests("5:", "1: b"), listed("a", "b"), 9, "[2024-10-04@5] -a")
	f("a retired day that was never here", manifests("5:"), nil, 9, "")
	f("whole days up to the bound", manifests("1: a", "1: b c", "1: d", "1: e"), nil, 2, "[2024-10-04@1 2024-10-05@1] +a +b +c; [2024-10-06@1 2024-10-07@1] +d +e")
	f("what is removed counts too", manifests("2: c", "1: d"), listed("a b"), 2, "[2024-10-04@2] +c -a -b; [2024-10-05@1] +d")
	f("a day more than the bound", manifests("1: a b c", "1: d"), nil, 1, "[2024-10-04@1] +a +b +c; [2024-10-05@1] +d")
	f("a day nobody knows", manifests("1: a"), listed("a", "b"), 9,
		"the table has t/b, and there is no manifest of 2024-10-05: check s3.bucket, s3.prefix and the schema's name, or name another table")
}

// The commit's id says what it brings in, and nothing else.
func TestCommitID(t *testing.T) {
	a := Commit{Versions: []Version{{firstDay, 1}, {firstDay + 1, 12}}}
	same := Commit{Versions: []Version{{firstDay, 1}, {firstDay + 1, 12}}, Remove: []string{"x"}}
	if got, want := a.ID("t"), same.ID("t"); got != want {
		t.Errorf("the same versions have the ids %s and %s", got, want)
	}
	for name, other := range map[string]string{
		"another table":   a.ID("u"),
		"another version": Commit{Versions: []Version{{firstDay, 11}, {firstDay + 1, 2}}}.ID("t"),
		"a day less":      Commit{Versions: a.Versions[:1]}.ID("t"),
	} {
		if other == a.ID("t") {
			t.Errorf("%s has the same id", name)
		}
	}
}

// Whatever the table has of the days that manifests know, the commits make it
// what the manifests list, and then there is nothing to do.
func TestPlanConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SliceOfDistinct(rapid.StringMatching(`[a-z]{1,3}`), rapid.ID)
		published, has := make(map[schema.Day]*tiering.Manifest), make(map[string]schema.Day)
		for day := range schema.Day(rapid.IntRange(0, 5).Draw(t, "days")) {
			m := &tiering.Manifest{Version: 1, Generations: []tiering.Generation{{}}}
			for _, path := range paths.Draw(t, "listed") {
				m.Generations[0].Files = append(m.Generations[0].Files, tiering.File{Path: fmt.Sprint(day, path)})
			}
			for _, path := range paths.Draw(t, "in the table") {
				has["t/"+fmt.Sprint(day, path)] = day
			}
			published[day] = m
		}
		most := rapid.IntRange(1, 9).Draw(t, "most")
		commits, err := Plan("t", published, has, most)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commits {
			for _, key := range c.Remove {
				delete(has, key)
			}
			for _, a := range c.Add {
				has[a.File.Key("t")] = a.Day
			}
		}
		files := 0
		for day, m := range published {
			for _, f := range m.Generations[0].Files {
				if at, ok := has[f.Key("t")]; !ok || at != day {
					t.Fatalf("%s is not in the table", f.Path)
				}
				files++
			}
		}
		if files != len(has) {
			t.Fatalf("the table has %d files, the manifests list %d", len(has), files)
		}
		if again, err := Plan("t", published, has, most); err != nil || len(again) > 0 {
			t.Fatalf("then there is still %s, %v", show(again), err)
		}
	})
}
