package sizing

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the plan for a terminal.
func (p *Plan) Text(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nInput\n", p.title())
	for _, g := range p.Input.given() {
		fmt.Fprintf(w, "  %-19s %14s  %s\n", g.name, g.unit.format(g.value), g.what)
	}
	for _, g := range p.Groups {
		fmt.Fprintf(w, "\n%s\n", g.Title)
		for _, q := range g.Quantities {
			fmt.Fprintf(w, "  %-19s %14s  %s\n", q.Name, unit(q.Unit).format(q.Value), q.What)
			fmt.Fprintf(w, "  %19s  = %s\n  %19s  = %s\n", "", q.Formula, "", q.Filled)
		}
	}
	fmt.Fprint(w, "\nFigures\n")
	for _, f := range p.Figures {
		fmt.Fprintf(w, "  %-19s %14s  %s\n", f.Name, Number(f.Value), f.says())
	}
	fmt.Fprint(w, "\nPrices, assumed\n")
	for _, f := range p.Prices {
		fmt.Fprintf(w, "  %-19s %14s  %s\n", f.Name, Number(f.Value), f.says())
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "\n! %s\n", warning)
	}
}

// Markdown writes the plan as tables, under headings of the third level.
func (p *Plan) Markdown(w io.Writer) {
	fmt.Fprintf(w, "%s\n", p.title())
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "\n> **Beyond what was measured.** %s\n", warning)
	}
	fmt.Fprint(w, "\n### Input\n\n| name | value | what it is |\n|---|---|---|\n")
	for _, g := range p.Input.given() {
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", g.name, g.unit.format(g.value), g.what)
	}
	for _, g := range p.Groups {
		fmt.Fprintf(w, "\n### %s\n\n| quantity | | formula | with numbers |\n|---|---|---|---|\n", g.Title)
		for _, q := range g.Quantities {
			fmt.Fprintf(w, "| %s<br>`%s` | **%s** | `%s` | `%s` |\n", q.What, q.Name, unit(q.Unit).format(q.Value), q.Formula, q.Filled)
		}
	}
	for _, t := range []struct {
		title   string
		figures []Figure
	}{{"Figures", p.Figures}, {"Prices, assumed", p.Prices}} {
		fmt.Fprintf(w, "\n### %s\n\n| name | value | what it is |\n|---|---|---|\n", t.title)
		for _, f := range t.figures {
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", f.Name, Number(f.Value), f.says())
		}
	}
}

// title is the load in a sentence.
func (p *Plan) title() string {
	in := p.Input
	return fmt.Sprintf("%s events/s of %s bytes (%s), %s at the peak; %s days in Kafka, %s in ClickHouse, %s on S3; %s lost are caught up with in %s.",
		Number(in.Rate), Number(in.Size), in.Encoding, Number(p.Value("peak")), Number(in.KafkaDays), Number(in.HotDays), Number(in.ColdDays),
		Duration(in.Outage), Duration(in.Drain))
}

// says is what a figure is and where it is from.
func (f Figure) says() string {
	parts := []string{f.What}
	if f.Unit != "" {
		parts[0] = f.Unit + ": " + f.What
	}
	if f.Source != "" {
		parts = append(parts, f.Source)
	}
	if f.Command != "" {
		parts = append(parts, f.Command)
	}
	return strings.Join(parts, "; ")
}
