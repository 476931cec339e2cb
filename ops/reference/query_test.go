package reference

import (
	"slices"
	"testing"
)

func TestUsesOf(t *testing.T) {
	f := func(query string, metrics []string, labels ...string) {
		t.Helper()
		got := UsesOf(query)
		if !slices.Equal(got.Metrics, metrics) {
			t.Errorf("%s: metrics %q, want %q", query, got.Metrics, metrics)
		}
		var all []string
		for _, name := range append(slices.Clone(metrics), "") {
			for _, l := range got.Labels[name] {
				all = append(all, name+"/"+l)
			}
		}
		if !slices.Equal(all, labels) {
			t.Errorf("%s: labels %q, want %q", query, all, labels)
		}
	}
	f("up", []string{"up"})
	f(`sum by (stream, le) (rate(a_bucket{le=~"5|5\\.0", stream!="by (x)"}[5m:1m])) / 1e9 > bool 2`, []string{"a_bucket"}, "a_bucket/le", "a_bucket/stream", "/stream", "/le")
	f(`x:y:rate5m * on (job) group_right () (b > bool 0) unless absent(c{what="z"})`, []string{"x:y:rate5m", "b", "c"}, "c/what", "/job")
	f("histogram_fraction(0, 5, sum(rate(h[5m]))) or topk(3, g) offset 5m", []string{"h", "g"})
	f("vector(32 * 86400 + 3600)", nil)
}

// TestHold: what is not there is named.
func TestHold(t *testing.T) {
	metrics := map[string]Metric{
		"a_total": {Name: "a_total", Type: "counter", Labels: []string{"stream"}},
		"h":       {Name: "h", Type: "histogram", Labels: []string{"hop"}},
	}
	recorded := map[string][]string{"s:a:rate5m": {"stream"}}
	f := func(query string, want ...string) {
		t.Helper()
		if got := Hold(query, metrics, recorded); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	f(`sum by (stream) (rate(a_total{stream="x", job="y"}[5m])) > s:a:rate5m`)
	f(`histogram_quantile(0.9, sum by (le, hop) (rate(h_bucket[5m])) / sum(h_count))`)
	f("b_total", "there is no metric b_total")
	f(`a_total_bucket`, "there is no metric a_total_bucket")
	f(`a_total{hop="x"}`, "a_total has no label hop; it has stream, job, instance")
	f(`sum by (hop) (a_total)`, "it is grouped by hop, which none of its metrics has")
	f("vector(1)", "it asks for no metric")
}
