package dashboards

import "fmt"

// tag is by what the dashboards link each other.
const tag = "penstock"

// source is the data source of all, chosen at the top of the dashboard.
var source = datasource{Type: "prometheus", UID: "${datasource}"}

// builder makes a dashboard, panel by panel, from left to right.
type builder struct {
	made    Dashboard
	x, y, h int
}

// begin begins a dashboard. Variables are beside the data source and the address
// that runbooks are at.
func begin(name, title, description string, variables ...variable) *builder {
	b := &builder{made: Dashboard{Name: name, model: dashboard{
		UID: "penstock-" + name, Title: "Penstock / " + title, Description: description, Tags: []string{tag},
		SchemaVersion: 39, Refresh: "30s", Time: span{"now-3h", "now"}, Timezone: "browser",
		Links: []link{
			{Title: "Penstock", Type: "dashboards", Tags: []string{tag}, AsDropdown: true},
			{Title: "Runbooks", Type: "link", URL: "${penstock}/runbooks/", TargetBlank: true},
		},
	}}}
	b.made.model.Templating.List = append([]variable{
		{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus"},
		{Name: "penstock", Label: "Watcher's admin address", Type: "textbox", Query: "http://localhost:9468", Current: &current{"http://localhost:9468", "http://localhost:9468"}},
	}, variables...)
	return b
}

// pick is a variable whose values are those of a label; all of them by default.
func pick(name, label, query string) variable {
	return variable{Name: name, Label: label, Type: "query", Query: query, Datasource: &source, Refresh: 2, Sort: 1,
		Multi: true, IncludeAll: true, AllValue: ".*", Current: &current{"All", "$__all"}}
}

var (
	job      = pick("job", "Job", "label_values(penstock_ingest_memory_budget_bytes, job)")
	instance = pick("instance", "Node", `label_values(penstock_ingest_memory_budget_bytes{job=~"$job"}, instance)`)
	stream   = pick("stream", "Stream", "label_values(penstock_ingest_memory_budget_bytes, stream)")
	table    = pick("table", "Table", "label_values(penstock_compactor_steps_total, table)")
)

// Selectors of what the variables pick.
const (
	ofNode   = `job=~"$job",instance=~"$instance",stream=~"$stream"`
	ofStream = `stream=~"$stream"`
	ofTable  = `table=~"$table"`
)

// row begins a row of panels under a title.
func (b *builder) row(title string) {
	b.wrap()
	b.made.model.Panels = append(b.made.model.Panels, panel{ID: b.next(), Type: "row", Title: title, GridPos: gridPos{H: 1, W: 24, Y: b.y}})
	b.y++
}

// show is a panel as it is asked for.
type show struct {
	title string
	// good says what it shows, and what good looks like.
	good    string
	unit    string // as Grafana has it: s, bytes, short, percentunit, ...
	runbook string
	queries []query
	// bad is from where on it is red, warn from where on it is yellow; 0 for no
	// such bound.
	warn, bad float64
	stacked   bool
}

type query struct{ legend, expr string }

func one(legend, expr string) []query { return []query{{legend, expr}} }

// graph adds a panel over time.
func (b *builder) graph(s show) {
	zero := 0.0
	c := &custom{FillOpacity: 8}
	if s.bad > 0 {
		c.ThresholdsStyle = &thresholdsStyle{"dashed"}
	}
	if s.stacked {
		c.Stacking, c.FillOpacity = &stacking{"normal"}, 40
	}
	b.add("timeseries", 8, 8, s, defaults{Unit: s.unit, Min: &zero, Thresholds: s.thresholds(), Custom: c}, options{
		Legend: &legend{"table", "bottom", []string{"lastNotNull", "max"}}, Tooltip: &tooltip{"multi", "desc"},
	})
}

// stat adds a panel of the last value.
func (b *builder) stat(s show) {
	b.add("stat", 4, 4, s, defaults{Unit: s.unit, Thresholds: s.thresholds()}, options{ReduceOptions: &reduce{[]string{"lastNotNull"}}, ColorMode: "value", GraphMode: "area"})
}

func (s show) thresholds() *thresholds {
	t := &thresholds{Mode: "absolute", Steps: []step{{Color: "green"}}}
	if s.warn > 0 {
		t.Steps = append(t.Steps, step{"orange", &s.warn})
	}
	if s.bad > 0 {
		t.Steps = append(t.Steps, step{"red", &s.bad})
	}
	return t
}

func (b *builder) add(kind string, w, h int, s show, d defaults, o options) {
	if b.x+w > 24 || b.h != 0 && b.h != h {
		b.wrap()
	}
	p := panel{ID: b.next(), Type: kind, Title: s.title, Description: s.good, GridPos: gridPos{H: h, W: w, X: b.x, Y: b.y}, Datasource: &source,
		Links:       []link{{Title: "Runbook: " + s.runbook, URL: "${penstock}/runbooks/" + s.runbook, TargetBlank: true}},
		FieldConfig: &fieldConfig{Defaults: d, Overrides: []any{}}, Options: &o}
	for i, q := range s.queries {
		p.Targets = append(p.Targets, target{RefID: string(rune('A' + i)), Expr: q.expr, LegendFormat: q.legend})
	}
	b.made.model.Panels = append(b.made.model.Panels, p)
	b.x, b.h = b.x+w, h
}

// wrap goes to the next line of panels.
func (b *builder) wrap() { b.x, b.y, b.h = 0, b.y+b.h, 0 }

func (b *builder) next() int { return len(b.made.model.Panels) + 1 }

// quantile is one of a histogram, classic or native, over the labels by.
func quantile(q float64, name, selector, by string) string {
	le := "le"
	if by != "" {
		le = by + ", le"
	}
	return fmt.Sprintf("histogram_quantile(%[1]g, sum by (%[4]s) (rate(%[2]s_bucket{%[3]s}[$__rate_interval]))) or histogram_quantile(%[1]g, sum by (%[5]s) (rate(%[2]s{%[3]s}[$__rate_interval])))", q, name, selector, le, by)
}

// mean is the average of a histogram, classic or native, over the labels by.
func mean(name, selector, by string) string {
	return fmt.Sprintf("sum by (%[3]s) (rate(%[1]s_sum{%[2]s}[$__rate_interval])) / sum by (%[3]s) (rate(%[1]s_count{%[2]s}[$__rate_interval])) or histogram_avg(sum by (%[3]s) (rate(%[1]s{%[2]s}[$__rate_interval])))", name, selector, by)
}

// rate is how fast counters grow, over the labels by.
func rate(name, selector, by string) string {
	return fmt.Sprintf("sum by (%s) (rate(%s{%s}[$__rate_interval]))", by, name, selector)
}
