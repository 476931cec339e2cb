package gate

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed report.html.tmpl
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"number": number,
	"count":  func(n int64) string { return number(float64(n)) },
	"waited": func(n uint64) string { return number(float64(n)) },
	"runs":   runs,
	"value":  func(c Compared, v float64) string { return c.value(v) },
	"spread": spreadHTML,
	"ratio":  func(c Compared) string { return c.ratio() },
	"rate":   func(l Leg) string { return l.rate() },
	"add":    func(a, b float64) float64 { return a + b },
}).Parse(page))

// spreadHTML is how far runs were apart, if they were.
func spreadHTML(s Spread) template.HTML {
	if s.Min == s.Max {
		return ""
	}
	return template.HTML("<small>" + template.HTMLEscapeString(number(s.Min)+" to "+number(s.Max)) + "</small>")
}

// tile is a figure that is seen first.
type tile struct{ Name, Value, Was string }

// HTML is the report as one page that needs nothing else.
func (r Report) HTML() (string, error) {
	run := r.Candidate.typical()
	var b strings.Builder
	err := pageTemplate.Execute(&b, struct {
		Report
		Run    Run
		Tiles  []tile
		Charts []chart
		Proof  string
		Width  float64
		Height float64
		Left   float64
		Right  float64
		Top    float64
		Bottom float64
	}{r, run, r.tiles(), r.charts(), r.proof(run), chartWidth, chartHeight, marginLeft, chartWidth - marginRight, marginTop, chartHeight - marginBottom})
	if err != nil {
		return "", fmt.Errorf("write the report of %s: %w", r.Load.Scenario, err)
	}
	return b.String(), nil
}

// tiles are the figures that a reader wants first.
func (r Report) tiles() []tile {
	var out []tile
	add := func(name, key string) {
		is, ok := spread(r.Candidate.Runs, key)
		if !ok {
			return
		}
		metric, _, _ := strings.Cut(key, "@")
		of := Of{Metric: metric}
		t := tile{Name: name, Value: of.value(is.Median)}
		if r.Baseline != nil {
			if was, ok := spread(r.Baseline.Runs, key); ok {
				t.Was = of.value(was.Median)
			}
		}
		out = append(out, t)
	}
	add("visible, median", "visible_p50_ms")
	add("visible, 99 %", "visible_p99_ms")
	add("visible, at most", "visible_max_ms")
	for _, j := range r.SLOs {
		if j.Metric == "recovery_s" {
			add("recovered after "+j.After, j.String())
		}
	}
	add("missing", "missing")
	add("duplicated", "duplicated")
	add("ingest CPU an event", "ingest_cpu_us")
	add("ingest memory", "ingest_peak_mib")
	return out
}
