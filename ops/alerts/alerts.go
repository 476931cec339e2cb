// Package alerts has the rules of Prometheus that say when a person is needed,
// and reads them, so that tests can hold what they name against what there is.
//
// The rules are in penstock.yaml, to be given to Prometheus as they are. Their
// cases are in tests, for promtool: make alerts-check.
package alerts

import (
	_ "embed"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed penstock.yaml
var file []byte

// Rule is an alert, or a series that is recorded.
type Rule struct {
	Record      string            `yaml:"record"` // empty for an alert
	Alert       string            `yaml:"alert"`  // empty for a series
	Expr        string            `yaml:"expr"`
	For         time.Duration     `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Runbook returns the id of the alert's runbook; empty if it names none.
func (r Rule) Runbook() string {
	_, id, _ := strings.Cut(r.Annotations["runbook_url"], "/runbooks/")
	return id
}

// Rules returns all of them, in the order of the file.
func Rules() ([]Rule, error) {
	var f struct {
		Groups []struct {
			Rules []Rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(file, &f); err != nil {
		return nil, fmt.Errorf("read the alert rules: %w", err)
	}
	var all []Rule
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	return all, nil
}
