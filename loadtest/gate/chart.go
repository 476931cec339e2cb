package gate

import (
	"fmt"
	"math"
	"strings"
)

// The size of a chart, in units of its own. It is scaled to the width there is:
// on a phone a unit is about 0.7 pixels, and text of 13 can still be read.
const (
	chartWidth, chartHeight = 480.0, 230.0
	marginLeft, marginRight = 52.0, 10.0
	marginTop, marginBottom = 20.0, 30.0
	plotWidth               = chartWidth - marginLeft - marginRight
	plotHeight              = chartHeight - marginTop - marginBottom
	// ticksX and ticksY are how many steps an axis has, about.
	ticksX, ticksY = 7, 4
)

// chart is values over the time of a run.
type chart struct {
	ID, Title, Unit string
	// About is what a person hears who does not see it.
	About  string
	Series []series
	Bands  []band // when faults were
	Limit  *line  // the objective
	Legs   []line // where phases begin
	X, Y   []tick
	Rows   []row // the same as a table
	// top is the value of the upper edge, end the second of the right one.
	top, end float64
}

// series is one line of a chart.
type series struct {
	Name  string
	Class string // of the style sheet: s1, s2, ...
	Path  string
	at    []float64 // in seconds
	value []float64
}

type band struct {
	Name     string
	X, Width float64
}

type line struct {
	Name string
	At   float64 // x or y
}

type tick struct {
	At   float64
	Text string
}

type row struct {
	At     string
	Values []string
}

// draw fills in everything that follows from the series.
func (c chart) draw(l Load, marks []Mark, limit float64) chart {
	c.end = l.Seconds
	highest := 1.0 // or a chart of nothing would have no height
	for _, s := range c.Series {
		for i, v := range s.value {
			highest, c.end = max(highest, v), max(c.end, s.at[i])
		}
	}
	step := nice(highest / ticksY)
	c.top = math.Ceil(highest/step) * step
	for v := 0.0; v <= c.top+step/2; v += step {
		c.Y = append(c.Y, tick{c.y(v), short(v)})
	}
	step = nice(c.end / ticksX)
	for v := 0.0; v <= c.end; v += step {
		c.X = append(c.X, tick{c.x(v), number(v)})
	}
	for _, m := range marks {
		c.Bands = append(c.Bands, band{m.Name, c.x(m.From), max(2, c.x(m.To)-c.x(m.From))})
	}
	for _, leg := range l.Phases[1:] {
		c.Legs = append(c.Legs, line{leg.Name, c.x(leg.From)})
	}
	if limit > 0 && limit <= c.top {
		c.Limit = &line{number(limit) + " " + c.Unit, c.y(limit)}
	}
	var said []string
	for i := range c.Series {
		s := &c.Series[i]
		s.Class, s.Path = fmt.Sprintf("s%d", i+1), c.path(*s)
		most := 0.0
		for _, v := range s.value {
			most = max(most, v)
		}
		said = append(said, fmt.Sprintf("%s up to %s %s", s.Name, number(most), c.Unit))
	}
	c.About = fmt.Sprintf("Over %s seconds: %s.", number(c.end), strings.Join(said, ", "))
	c.Rows = c.rows()
	return c
}

func (c chart) x(seconds float64) float64 { return round(marginLeft+plotWidth*seconds/c.end, 10) }
func (c chart) y(value float64) float64 {
	return round(marginTop+plotHeight*(1-value/c.top), 10)
}

// short writes a value so that it fits beside an axis.
func short(v float64) string {
	if v >= 10_000 {
		return number(v/1000) + " k"
	}
	return number(v)
}

// path joins a series' points; where more than two seconds have none it is
// interrupted.
func (c chart) path(s series) string {
	var b strings.Builder
	for i, v := range s.value {
		step := "L"
		if i == 0 || s.at[i]-s.at[i-1] > 2.5 {
			step = "M"
		}
		fmt.Fprintf(&b, "%s%g %g", step, c.x(s.at[i]), c.y(v))
	}
	return b.String()
}

// rows are the chart as a table: a row for each second that any series has.
func (c chart) rows() []row {
	byTime := map[int][]string{}
	last := 0
	for i, s := range c.Series {
		for j, at := range s.at {
			second := int(at)
			if byTime[second] == nil {
				byTime[second] = make([]string, len(c.Series))
			}
			byTime[second][i] = number(s.value[j])
			last = max(last, second)
		}
	}
	var out []row
	for second := range last + 1 {
		if values := byTime[second]; values != nil {
			out = append(out, row{fmt.Sprint(second), values})
		}
	}
	return out
}

// nice is 1, 2 or 5 times a power of ten, and not less than v.
func nice(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*power >= v*0.999 {
			return m * power
		}
	}
	return 10 * power
}

// charts are those of a run, and of a baseline's run beside it if there is one.
func (r Report) charts() []chart {
	run := r.Candidate.typical()
	limit := 0.0
	for _, j := range r.SLOs {
		if j.Of.String() == "visible_p99_ms" && j.AtMost != nil {
			limit = *j.AtMost
		}
	}
	latency := chart{ID: "latency", Title: "Visible after, by when readings were meant to be sent", Unit: "ms", Series: []series{
		intervals("median", run, func(i interval) float64 { return i.VisibleP50 }),
		intervals("99 %", run, func(i interval) float64 { return i.VisibleP99 }),
		intervals("at most", run, func(i interval) float64 { return i.VisibleMax })}}
	all := []chart{latency.draw(r.Load, run.Marks, limit)}
	if r.Baseline != nil {
		both := chart{ID: "versions", Title: "99 % visible after, of both versions", Unit: "ms", Series: []series{
			intervals("candidate", run, func(i interval) float64 { return i.VisibleP99 }),
			intervals("baseline", r.Baseline.typical(), func(i interval) float64 { return i.VisibleP99 })}}
		all = append(all, both.draw(r.Load, run.Marks, limit))
	}
	rates := chart{ID: "rates", Title: "Live readings sent and visible", Unit: "a second", Series: rates(run)}
	all = append(all, rates.draw(r.Load, run.Marks, 0))
	if len(run.Samples) > 0 {
		lag := chart{ID: "lag", Title: "Lag of the consumer group", Unit: "records", Series: []series{samples("lag", run, func(s Sample) (float64, bool) { return float64(s.Lag), true })}}
		all = append(all, lag.draw(r.Load, run.Marks, 0))
	}
	for _, c := range []chart{
		{ID: "cpu", Title: "CPU, 100 is one core", Unit: "%", Series: cpu(run)},
		{ID: "memory", Title: "Memory held; of nodes the largest", Unit: "MiB", Series: memory(run)},
	} {
		if len(c.Series) > 0 {
			all = append(all, c.draw(r.Load, run.Marks, 0))
		}
	}
	return all
}
