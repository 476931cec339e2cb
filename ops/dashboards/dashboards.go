// Package dashboards makes the dashboards of Grafana that come with Penstock.
//
// They are in the folder grafana, to be imported or provisioned as they are; the
// test writes them (go test ./ops/dashboards -rewrite). No program imports the
// package.
//
// Every panel says what good looks like, and links the runbook for when it does
// not. Percentiles are read from classic buckets, and from a native histogram where
// those are not scraped.
package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Dashboard is one of them.
type Dashboard struct {
	// Name is that of its file, without the ending.
	Name  string
	model dashboard
}

// All returns the dashboards.
func All() []Dashboard {
	return []Dashboard{overview(), node(), clickHouse(), cold(), scale(), exactlyOnce()}
}

// JSON is what Grafana imports.
func (d Dashboard) JSON() ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // queries compare
	e.SetIndent("", "  ")
	if err := e.Encode(d.model); err != nil {
		return nil, fmt.Errorf("dashboard %s: %w", d.Name, err)
	}
	return text.Bytes(), nil
}

// Query is one of a panel.
type Query struct {
	Panel string
	// Expr is what Prometheus is asked, with Grafana's variables filled in.
	Expr string
}

// filled are values for Grafana's variables, by which a query can be read outside
// of it.
var filled = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1d", "$job", ".*", "$instance", ".*", "$stream", ".*", "$table", ".*")

// Queries returns what its panels ask.
func (d Dashboard) Queries() (all []Query) {
	for _, p := range d.model.Panels {
		for _, t := range p.Targets {
			all = append(all, Query{Panel: p.Title, Expr: filled.Replace(t.Expr)})
		}
	}
	return all
}

// Runbooks returns the ids of those its panels link.
func (d Dashboard) Runbooks() (all []string) {
	for _, p := range d.model.Panels {
		for _, l := range p.Links {
			_, id, _ := strings.Cut(l.URL, "/runbooks/")
			all = append(all, id)
		}
	}
	return all
}
