package reference

import (
	"fmt"
	"slices"
	"strings"
)

// target are the labels that Prometheus adds to everything it scrapes.
var target = []string{"job", "instance"}

// Hold returns what a query names and there is not. Recorded are the names of
// series that rules make, with their labels.
func Hold(query string, metrics map[string]Metric, recorded map[string][]string) (faults []string) {
	uses := UsesOf(query)
	if len(uses.Metrics) == 0 {
		return []string{"it asks for no metric"}
	}
	known := slices.Clone(target)
	for _, name := range uses.Metrics {
		labels, ok := labelsOf(name, metrics, recorded)
		if !ok {
			faults = append(faults, fmt.Sprintf("there is no metric %s", name))
			continue
		}
		labels = append(labels, target...)
		known = append(known, labels...)
		for _, l := range uses.Labels[name] {
			if !slices.Contains(labels, l) {
				faults = append(faults, fmt.Sprintf("%s has no label %s; it has %s", name, l, strings.Join(labels, ", ")))
			}
		}
	}
	for _, l := range uses.Labels[""] {
		if !slices.Contains(known, l) {
			faults = append(faults, fmt.Sprintf("it is grouped by %s, which none of its metrics has", l))
		}
	}
	return faults
}

// labelsOf returns the labels of a series: of a metric, of a part of a histogram,
// or of what a rule records.
func labelsOf(name string, metrics map[string]Metric, recorded map[string][]string) ([]string, bool) {
	if labels, ok := recorded[name]; ok {
		return slices.Clone(labels), true
	}
	if m, ok := metrics[name]; ok {
		return slices.Clone(m.Labels), true // a native histogram is asked for by its own name
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		of, ok := strings.CutSuffix(name, suffix)
		if m, found := metrics[of]; ok && found && (m.Type == "histogram" || m.Type == "summary" && suffix != "_bucket") {
			labels := slices.Clone(m.Labels)
			if suffix == "_bucket" {
				labels = append(labels, "le")
			}
			return labels, true
		}
	}
	return nil, false
}
