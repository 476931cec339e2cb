package alerts

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestAlertsSayWhatToDo: each has a severity somebody has agreed to, and says
// what is wrong, with the value, and where it says what to do.
func TestAlertsSayWhatToDo(t *testing.T) {
	rules, err := Rules()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rules {
		name := r.Alert + r.Record
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if r.Alert == "" {
			continue
		}
		if severity := r.Labels["severity"]; severity != "page" && severity != "ticket" {
			t.Errorf("%s has severity %q; want page or ticket", name, severity)
		}
		for _, annotation := range []string{"summary", "description"} {
			if text := r.Annotations[annotation]; !strings.HasSuffix(text, ".") {
				t.Errorf("%s has no %s that is a sentence: %q", name, annotation, text)
			}
		}
		if r.Runbook() == "" {
			t.Errorf("%s has no runbook_url", name)
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d rules were read", len(seen))
	}
}

// TestAlertsAreTested: promtool runs the cases; that there are some for each
// alert, one in which it fires and one in which it does not, is seen here.
func TestAlertsAreTested(t *testing.T) {
	rules, err := Rules()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("tests/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases struct {
			Tests []struct {
				Looks []look `yaml:"promql_expr_test"`
			} `yaml:"tests"`
		}
		if err := yaml.Unmarshal(text, &cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, test := range cases.Tests {
			for _, l := range test.Looks {
				for _, r := range rules {
					switch {
					case r.Alert == "" || !l.selects(t, r.Alert):
					case l.expects(r.Alert):
						fires[r.Alert] = true
					default:
						rests[r.Alert] = true
					}
				}
			}
		}
	}
	for _, r := range rules {
		if r.Alert != "" && (!fires[r.Alert] || !rests[r.Alert]) {
			t.Errorf("%s: cases in which it fires: %t, in which it does not: %t; want both in tests", r.Alert, fires[r.Alert], rests[r.Alert])
		}
	}
}

// look is one at the alerts of a case: those that its expression selects, and of
// them the ones that are expected.
type look struct {
	Expr    string `yaml:"expr"`
	Samples []struct {
		Labels string `yaml:"labels"`
	} `yaml:"exp_samples"`
}

var selector = regexp.MustCompile(`alertname=~?"([^"]+)"`)

func (l look) selects(t *testing.T, alert string) bool {
	t.Helper()
	match := selector.FindStringSubmatch(l.Expr)
	if match == nil {
		return false
	}
	whole, err := regexp.MatchString("^(?:"+match[1]+")$", alert)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func (l look) expects(alert string) bool {
	for _, s := range l.Samples {
		if strings.Contains(s.Labels, `alertname="`+alert+`"`) {
			return true
		}
	}
	return false
}
