package runbooks

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sections are what each runbook has, in this order; Mend only where there is
// something to type.
var sections = []string{"See", "Decide", "Mend", "Check", "Never"}

func TestRunbooksHaveOneForm(t *testing.T) {
	heading := regexp.MustCompile(`(?m)^## (.+)$`)
	for _, r := range All() {
		var got []string
		for _, m := range heading.FindAllStringSubmatch(r.Text, -1) {
			got = append(got, m[1])
		}
		want := slices.Clone(sections)
		if !slices.Contains(got, "Mend") {
			want = slices.DeleteFunc(want, func(s string) bool { return s == "Mend" })
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has sections %v, want %v", r.ID, got, want)
		}
		for _, part := range []string{"**You see**", "**How bad**"} {
			if !strings.Contains(r.Text, part) {
				t.Errorf("%s does not say: %s", r.ID, part)
			}
		}
		if n := strings.Count(r.Text, "\n"); n > 110 {
			t.Errorf("%s has %d lines: too long for three in the morning", r.ID, n)
		}
	}
}

// TestHandler reads every page as a browser does, and follows all of their links.
func TestHandler(t *testing.T) {
	server := httptest.NewServer(Handler())
	defer server.Close()
	get := func(path string) (int, string) {
		t.Helper()
		answer, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	link := regexp.MustCompile(`href="([^"]+)"`)
	pages := []string{Path}
	for _, r := range All() {
		pages = append(pages, Path+r.ID)
	}
	linked := map[string]bool{}
	for _, page := range pages {
		status, text := get(page)
		if status != http.StatusOK || !strings.Contains(text, "<h1>") || strings.Contains(text, "|---|") {
			t.Errorf("%s: %d, %.200s", page, status, text)
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to := Path + strings.TrimPrefix(m[1], "./")
			linked[to] = true
			if !slices.Contains(pages, to) {
				t.Errorf("%s links %s, which is no runbook", page, m[1])
			}
		}
	}
	for _, page := range pages {
		if !linked[page] {
			t.Errorf("nothing links %s", page)
		}
	}
	if status, text := get(Path + "no-such"); status != http.StatusNotFound || !strings.Contains(text, "disk-full") {
		t.Errorf("one that is not there: %d %s", status, text)
	}
	if status, _ := get(Path + "../runbooks.go"); status == http.StatusOK {
		t.Error("a file that is no runbook is served")
	}
}

// What the pages have one start and stop is what ops/deploy installs.
func TestWhatIsStartedIsInstalled(t *testing.T) {
	list, _ := Get(index)
	texts := []string{list.Text}
	for _, r := range All() {
		texts = append(texts, r.Text)
	}
	values, err := os.ReadFile("../deploy/helm/penstock/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`systemctl \w+ (penstock-\w+)|journalctl -u (penstock-\w+)|(?:deployment/|scaledobject )penstock-(\w+)|(ops/deploy/[\w./-]+\w)`)
	found := 0
	for _, text := range texts {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			found++
			unit, part, file := m[1]+m[2], m[3], m[4]
			if part != "" {
				if !strings.Contains(string(values), "\n"+part+":\n") {
					t.Errorf("%s: the chart has no values for it", m[0])
				}
				continue
			}
			if unit != "" {
				file = "ops/deploy/systemd/" + unit + ".service"
			}
			if _, err := os.Stat("../../" + file); err != nil {
				t.Errorf("%s: %v", m[0], err)
			}
		}
	}
	if found < 15 {
		t.Errorf("%d are named; the expression does not find them", found)
	}
}
