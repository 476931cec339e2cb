package drill

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"penstock/ops/sizing"
)

// Text writes the day: what was decided, the state from time to time, two charts, and
// the verdict.
func (d Day) Text(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", d.Title())
	fmt.Fprintf(w, "%8s %11s %11s %13s %8s %6s %6s %7s\n", "", "arriving/s", "stored/s", "events behind", "oldest", "nodes", "busy", "engine")
	for _, m := range d.shown() {
		held := ""
		if m.Held {
			held = "  held"
		}
		fmt.Fprintf(w, "%8s %11s %11s %13s %8s %6d %5.0f%% %6.0f%%%s\n", clock(m.At), count(m.Arriving), count(m.Stored), count(float64(m.Lag)),
			duration(m.Behind), m.Nodes, 100*m.NodeUse, 100*m.EngineUse, held)
	}
	fmt.Fprint(w, "\nNodes, as decided\n")
	for _, c := range d.Changes {
		what := fmt.Sprintf("%d -> %d", c.From, c.To)
		if c.From == c.To {
			what = fmt.Sprintf("%d, held", c.To)
		}
		fmt.Fprintf(w, "  %8s  %-8s  %s\n", clock(c.At), what, c.Reason)
	}
	day := most(d.Minutes, func(m Moment) float64 { return float64(m.Nodes) })
	bars(w, "nodes over the day, 00:00 to "+clock(d.Scenario.Length), day, 4)
	if around := d.around(); len(around) > 0 {
		lag := most(around, func(m Moment) float64 { return float64(m.Lag) })
		bars(w, fmt.Sprintf("events behind, %s to %s", clock(around[0].At-time.Minute), clock(around[len(around)-1].At)), lag, 8)
	}
	fmt.Fprintf(w, "\n%s\n", d.Verdict)
}

// Title is what happens in a few words.
func (d Day) Title() string {
	away := "ClickHouse does not answer"
	if d.Away == Ingest {
		away = "no node runs"
	}
	return fmt.Sprintf("A day in which %s from %s for %s", away, clock(d.Scenario.At), duration(d.Scenario.For))
}

// shown are the moments worth a line: every second hour, and around the outage every
// few minutes.
func (d Day) shown() (out []Moment) {
	last := time.Duration(0)
	for _, m := range d.Minutes {
		step := 2 * time.Hour
		if since := m.At - d.Scenario.At; since >= 0 && (since <= d.Scenario.For || m.Behind > 0 || last > 0 && m.At-last < 5*time.Minute) {
			step = max(time.Minute, ((d.Scenario.For + d.Verdict.After) / 16).Round(time.Minute))
		}
		if (m.At-d.Scenario.At)%step == 0 {
			out = append(out, m)
		}
		if m.Behind > 0 {
			last = m.At
		}
	}
	return out
}

// around are the minutes from a little before the outage until a little after the
// recovery.
func (d Day) around() (out []Moment) {
	spare := (d.Scenario.For + d.Verdict.After) / 6
	for _, m := range d.Minutes {
		if m.At > d.Scenario.At-spare && m.At <= d.Scenario.At+d.Scenario.For+d.Verdict.After+spare {
			out = append(out, m)
		}
	}
	return out
}

// columns of a chart.
const columns = 72

// most is the largest value in each of equal parts of the moments, as many as there are
// columns at most.
func most(of []Moment, value func(Moment) float64) []float64 {
	n := min(columns, len(of))
	out := make([]float64, n)
	for i := range out {
		for _, m := range of[i*len(of)/n : (i+1)*len(of)/n] {
			out[i] = max(out[i], value(m))
		}
	}
	return out
}

// bars draws a column a value, from 0 to the most of them.
func bars(w io.Writer, title string, values []float64, height int) {
	top := max(1, slices.Max(values))
	fmt.Fprintf(w, "\n%s\n", title)
	for row := height; row > 0; row-- {
		label := ""
		if row == height {
			label = count(top)
		}
		var line strings.Builder
		for _, v := range values {
			switch full := v / top * float64(height); {
			case full >= float64(row)-0.25:
				line.WriteByte('#')
			case full >= float64(row)-0.75:
				line.WriteByte('.')
			default:
				line.WriteByte(' ')
			}
		}
		fmt.Fprintf(w, "%13s |%s\n", label, strings.TrimRight(line.String(), " "))
	}
	fmt.Fprintf(w, "%13s +%s\n", "0", strings.Repeat("-", len(values)))
}

// clock is a time of the day.
func clock(d time.Duration) string {
	text := fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
	if s := int(d.Seconds()) % 60; s != 0 {
		text += fmt.Sprintf(":%02d", s)
	}
	return text
}

func duration(d time.Duration) string { return sizing.Duration(d) }

// count is a number with commas.
func count(v float64) string { return sizing.Number(math.Round(v)) }
