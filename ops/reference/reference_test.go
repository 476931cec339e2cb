package reference

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"penstock/ops/alerts"
	"penstock/ops/dashboards"
	"penstock/ops/runbooks"
)

// there is what may be named.
func there(t *testing.T) (metrics map[string]Metric, recorded map[string][]string, rules []alerts.Rule) {
	t.Helper()
	metrics, err := Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if rules, err = alerts.Rules(); err != nil {
		t.Fatal(err)
	}
	recorded = map[string][]string{"ALERTS": {"alertname", "alertstate"}}
	for _, r := range rules {
		if r.Record != "" {
			// The first part of a recorded name is what it is by.
			level, _, _ := strings.Cut(r.Record, ":")
			recorded[r.Record] = map[string][]string{"stream": {"stream"}, "instance": {}, "penstock": {}}[level]
		}
	}
	return metrics, recorded, rules
}

// TestRulesNameWhatThereIs: the metrics of each rule exist and have the labels, and
// its runbook exists.
func TestRulesNameWhatThereIs(t *testing.T) {
	metrics, recorded, rules := there(t)
	for _, r := range rules {
		if r.Record == "penstock:oldest_untiered_day_limit:seconds" { // a number
			continue
		}
		for _, fault := range Hold(r.Expr, metrics, recorded) {
			t.Errorf("%s: %s", r.Alert+r.Record, fault)
		}
		if _, ok := runbooks.Get(r.Runbook()); r.Alert != "" && !ok {
			t.Errorf("%s: there is no runbook %s", r.Alert, r.Runbook())
		}
		// What a text shows of a series has to be left of it.
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations["summary"]+r.Annotations["description"], -1) {
			label := m[1]
			if !slices.ContainsFunc(UsesOf(r.Expr).Metrics, func(name string) bool {
				labels, _ := labelsOf(name, metrics, recorded)
				return slices.Contains(append(labels, target...), label)
			}) {
				t.Errorf("%s shows the label %s, which it does not have", r.Alert, label)
			}
		}
	}
}

// TestPanelsNameWhatThereIs is the same of dashboards.
func TestPanelsNameWhatThereIs(t *testing.T) {
	metrics, recorded, _ := there(t)
	for _, d := range dashboards.All() {
		for _, q := range d.Queries() {
			for _, fault := range Hold(q.Expr, metrics, recorded) {
				t.Errorf("dashboard %s, %s: %s", d.Name, q.Panel, fault)
			}
		}
		for _, id := range d.Runbooks() {
			if _, ok := runbooks.Get(id); !ok {
				t.Errorf("dashboard %s: there is no runbook %s", d.Name, id)
			}
		}
	}
}

// TestRunbooksNameWhatThereIs: the metrics and alerts of each exist; and each is
// where some alert leads.
func TestRunbooksNameWhatThereIs(t *testing.T) {
	metrics, recorded, rules := there(t)
	for _, r := range runbooks.All() {
		for _, name := range namesOf(r.Text) {
			if _, ok := labelsOf(name, metrics, recorded); !ok {
				t.Errorf("%s: there is no metric %s", r.ID, name)
			}
		}
		// A text names a metric by its end where its beginning is plain.
		for _, m := range regexp.MustCompile("`([a-z_]+_(?:total|seconds))`").FindAllStringSubmatch(r.Text, -1) {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(metrics)), func(name string) bool { return strings.HasSuffix(name, "_"+m[1]) }) {
				t.Errorf("%s: no metric ends with %s", r.ID, m[1])
			}
		}
		named := regexp.MustCompile(`\bPenstock[A-Z]\w+`).FindAllString(r.Text, -1)
		for _, alert := range named {
			if !slices.ContainsFunc(rules, func(a alerts.Rule) bool { return a.Alert == alert }) {
				t.Errorf("%s: there is no alert %s", r.ID, alert)
			}
		}
		led := 0
		for _, a := range rules {
			if a.Alert == "" || a.Runbook() != r.ID {
				continue
			}
			led++
			if !slices.Contains(named, a.Alert) {
				t.Errorf("%s leads to %s, which does not say so", a.Alert, r.ID)
			}
		}
		if led == 0 {
			t.Errorf("no alert leads to %s", r.ID)
		}
	}
}

// namesOf returns the metrics that a text names, also those of a pattern for grep
// such as penstock_ingest_(a|b_(sum|count)).
func namesOf(text string) (all []string) {
	for _, at := range regexp.MustCompile(`\b(penstock|go|process)_[a-z_]+`).FindAllStringIndex(text, -1) {
		name, rest := text[at[0]:at[1]], text[at[1]:]
		if !strings.HasPrefix(rest, "(") {
			if !strings.HasSuffix(name, "_") {
				all = append(all, name)
			}
			continue
		}
		depth, end := 0, 0
		for i, c := range rest {
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				end = i
				break
			}
		}
		for _, one := range expand(rest[1:end]) {
			all = append(all, name+one)
		}
	}
	return all
}

// expand returns what an alternation of names and groups matches.
func expand(pattern string) (all []string) {
	depth, from := 0, 0
	for i, c := range pattern + "|" {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|' && depth == 0:
			one := pattern[from:i]
			from = i + 1
			if head, group, ok := strings.Cut(one, "("); ok {
				for _, tail := range expand(strings.TrimSuffix(group, ")")) {
					all = append(all, head+tail)
				}
			} else {
				all = append(all, one)
			}
		}
	}
	return all
}

func TestNamesOf(t *testing.T) {
	got := namesOf("grep -E 'go_build_info|penstock_ingest_(hop_(sum|count)|lag)' and penstock_x{y}")
	if want := []string{"go_build_info", "penstock_ingest_hop_sum", "penstock_ingest_hop_count", "penstock_ingest_lag", "penstock_x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSteps: what is typed is of a known kind. That it does what it says is tried
// where the programs and servers are: in cmd, and on the local stack.
func TestSteps(t *testing.T) {
	steps, err := AllSteps()
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string]int{}
	for _, s := range steps {
		if s.Section != "See" && s.Section != "Mend" && s.Section != "Check" {
			t.Errorf("%s has a command under %q: %s", s.Runbook, s.Section, s.Text)
		}
		if s.Language == "sh" {
			programs[s.Args()[0]]++
		}
	}
	for program := range programs {
		if !slices.Contains([]string{"curl", "ingest", "compactor", "kafka-consumer-groups.sh", "kafka-get-offsets.sh", "kafka-configs.sh"}, program) {
			t.Errorf("a runbook has the command %s, which no test tries", program)
		}
	}
	if len(steps) < 100 || len(programs) < 6 {
		t.Errorf("only %d commands of %v were found", len(steps), programs)
	}
}

func TestArgs(t *testing.T) {
	got := Step{Text: `curl -s localhost:9464/metrics | grep -E 'a|b'`}.Args()
	if want := []string{"curl", "-s", "localhost:9464/metrics"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (Step{Text: `a 'b | c' ""`}).Args(), []string{"a", "b | c", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
