package reference

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"penstock/ops/alerts"
	"penstock/ops/dashboards"
)

var rewrite = flag.Bool("rewrite", false, "write docs/metrics.md; read the difference before you keep it")

// TestDoc writes the reference of the metrics from the code that registers them,
// with who looks at each.
func TestDoc(t *testing.T) {
	metrics, _, rules := there(t)
	const path = "../../docs/metrics.md"
	got := doc(metrics, rules)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("docs/metrics.md is not what the programs have; go test ./ops/reference -rewrite")
	}
	for _, m := range metrics {
		if strings.HasPrefix(m.Name, "penstock_") && unit(m) == "" {
			t.Errorf("%s does not say its unit; end its name with it, or say here what it counts", m.Name)
		}
	}
}

// units are those of what a name ends with; beside them, what is counted.
var units = []struct{ ending, unit string }{
	{"_per_second", "1/s"}, {"_timestamp_seconds", "s since 1970"}, {"_watermark_seconds", "s since 1970"}, {"_seconds", "s"}, {"_seconds_total", "s"},
	{"_bytes", "bytes"}, {"_bytes_total", "bytes"}, {"_ratio", "share, 0 to 1"},
	{"_offset", "offset"}, {"_watermark", "offset"}, {"_fence", "number"},
	{"_open", "0 or 1"}, {"_high", "0 or 1"}, {"_draining", "0 or 1"}, {"_held", "0 or 1"}, {"_problem", "0 or 1"}, {"_up", "0 or 1"},
	{"_total", "count"}, {"_rows", "rows"}, {"_records", "records"}, {"_partitions", "partitions"}, {"_lanes", "lanes"}, {"_intents", "batches"},
	{"_devices", "devices"}, {"_nodes", "nodes"}, {"_members", "nodes"}, {"_running", "steps"}, {"_days", "days"}, {"_replicas", "replicas"},
	{"_parts", "parts"}, {"_parts_max", "parts"}, {"_limit", "parts"},
}

func unit(m Metric) string {
	for _, u := range units {
		if strings.HasSuffix(m.Name, u.ending) {
			return u.unit
		}
	}
	return ""
}

const preface = `# Metrics

Every metric of every program, as its code registers it: this page is written by a test (go test ./ops/reference -rewrite). Those of a node and of the
watcher have the label stream, those of the compactor the label table; Prometheus adds job and instance.

- **Units** are in the names, as Prometheus has them: seconds, bytes, ratios from 0 to 1. _total is a counter, to be asked for its rate.
- **Histograms** are classic and native ones at once. Dashboards and alerts read classic buckets, and native ones where a Prometheus scrapes those
  alone. The bucket of five seconds is exact, since that is what is promised.
- **Looked at by** names alerts ([ops/alerts](../ops/alerts/penstock.yaml)), with the [runbook](../ops/runbooks) each leads to, and
  [dashboards](../ops/dashboards/grafana). What nobody looks at is for who asks a question of his own.
`

func doc(metrics map[string]Metric, rules []alerts.Rule) string {
	var b strings.Builder
	b.WriteString(preface)
	for _, program := range []string{"ingest run", "ingest watch", "ingest scale", "compactor run"} {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | unit | labels | what it is | looked at by |\n|---|---|---|---|---|---|\n", program)
		for _, m := range byName(metrics) {
			if m.Program == program {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m.Name, m.Type, unit(m), strings.Join(m.Labels, ", "), strings.ReplaceAll(m.Help, "|", "\\|"), lookers(m, rules))
			}
		}
	}
	b.WriteString("\n## All programs\n\nThose of Go's runtime and of the process (`go_*`, `process_*`) are as Prometheus' client library has them. Looked at are:\n\n| metric | type | looked at by |\n|---|---|---|\n")
	for _, m := range byName(metrics) {
		if by := lookers(m, rules); m.Program == "" && by != "" {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, m.Type, by)
		}
	}
	return b.String()
}

func byName(metrics map[string]Metric) []Metric {
	return slices.SortedFunc(maps.Values(metrics), func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
}

// lookers are who asks for a metric: alerts, also by what is recorded of it, and
// dashboards.
func lookers(m Metric, rules []alerts.Rule) string {
	names := map[string]bool{m.Name: true}
	if m.Type == "histogram" {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			names[m.Name+suffix] = true
		}
	}
	asks := func(query string) bool {
		return slices.ContainsFunc(usesOf(query), func(name string) bool { return names[name] })
	}
	for range 2 { // what is recorded may be of what is recorded
		for _, r := range rules {
			if r.Record != "" && asks(r.Expr) {
				names[r.Record] = true
			}
		}
	}
	var by []string
	for _, r := range rules {
		if r.Alert != "" && asks(r.Expr) {
			by = append(by, fmt.Sprintf("%s ([%s](../ops/runbooks/%[2]s.md))", r.Alert, r.Runbook()))
		}
	}
	var shown []string
	for _, d := range dashboards.All() {
		if slices.ContainsFunc(d.Queries(), func(q dashboards.Query) bool { return asks(q.Expr) }) {
			shown = append(shown, d.Name)
		}
	}
	if len(shown) > 0 {
		by = append(by, "dashboards: "+strings.Join(shown, ", "))
	}
	return strings.Join(by, "; ")
}

// taken are queries that were taken apart: it is done for each metric.
var taken = map[string][]string{}

func usesOf(query string) []string {
	if _, ok := taken[query]; !ok {
		taken[query] = UsesOf(query).Metrics
	}
	return taken[query]
}
