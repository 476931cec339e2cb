package sizing

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Plan is what a load takes.
type Plan struct {
	Input  Input   `json:"input"`
	Groups []Group `json:"groups"`
	// Figures are those that a formula names, in the order of the tables.
	Figures []Figure `json:"figures"`
	Prices  []Figure `json:"prices"`
	// Warnings say where the plan leaves what was measured, and what does not fit.
	Warnings []string `json:"warnings"`

	values map[string]float64
}

// Group is the quantities of one subject.
type Group struct {
	Title      string     `json:"title"`
	Quantities []Quantity `json:"quantities"`
}

// Quantity is one line of a plan.
type Quantity struct {
	Name  string  `json:"name"`
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	// Formula has names, Filled the numbers in their place.
	Formula string `json:"formula"`
	Filled  string `json:"filled"`
}

// New plans. It fails if the input is not valid, or no number of machines would do.
func New(in Input, f Figures) (*Plan, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	p := &Plan{Input: in, values: map[string]float64{}}
	for _, g := range in.given() {
		p.values[g.name] = g.value
	}
	figures := slices.Concat(f.Measured, f.Prices)
	for _, figure := range figures {
		p.values[figure.Name] = figure.Value
	}
	for _, figure := range figures { // under the names without the encoding
		if name, ok := strings.CutSuffix(figure.Name, "_"+string(in.Encoding)); ok {
			p.values[name] = figure.Value
		}
	}
	used := map[string]bool{}
	for _, g := range groups {
		out := Group{Title: g.title}
		for _, formula := range g.formulas {
			q, err := p.compute(formula, used)
			if err != nil {
				return nil, err
			}
			out.Quantities = append(out.Quantities, q)
		}
		p.Groups = append(p.Groups, out)
	}
	p.Figures, p.Prices = p.named(f.Measured, used), p.named(f.Prices, used)
	p.Warnings = p.warnings()
	return p, nil
}

func (p *Plan) compute(f formula, used map[string]bool) (Quantity, error) {
	e, err := parse(f.text)
	if err != nil {
		return Quantity{}, err
	}
	v, err := e.value(p.values)
	if err != nil {
		return Quantity{}, err
	}
	if math.IsInf(v, 0) || math.IsNaN(v) || v < 0 {
		return Quantity{}, p.impossible(f, e.filled(p.values))
	}
	for _, name := range e.names() {
		used[name] = true
	}
	p.values[f.name] = v
	return Quantity{Name: f.name, What: f.what, Value: v, Unit: string(f.unit), Formula: f.text, Filled: e.filled(p.values)}, nil
}

// remedies are what helps where a quantity has no finite value.
var remedies = map[string]string{
	"node_planned":    "a node's lanes take all its cores: raise --node-cores or --headroom",
	"node_most":       "a node's lanes take all its cores: raise --node-cores",
	"nodes":           "more nodes are wanted than there are partitions: raise --node-cores",
	"nodes_max":       "more nodes are wanted than there are partitions: raise --node-cores",
	"shards":          "more shards are wanted than there are partitions: raise --server-disk-tb or --server-cores",
	"shards_peak":     "inserts alone take all of a server's cores: raise --batch-age, --server-cores or --node-cores (fewer lanes), or lower --queries",
	"shards_recovery": "inserts alone take all of a server's cores: raise --drain or --server-cores, or lower --queries",
}

func (p *Plan) impossible(f formula, filled string) error {
	remedy, ok := remedies[f.name]
	if !ok {
		remedy = "a figure or price of one's own is 0 where it must not be"
	}
	return fmt.Errorf("there is no number of %s (%s): %s = %s; %s", f.name, f.what, f.text, filled, remedy)
}

// named are the figures that formulas named, as they are or without the encoding.
func (p *Plan) named(figures []Figure, used map[string]bool) (out []Figure) {
	for _, f := range figures {
		short, encoded := strings.CutSuffix(f.Name, "_"+string(p.Input.Encoding))
		if used[f.Name] || encoded && used[short] {
			out = append(out, f)
		}
	}
	return out
}

// Value is that of an input, a figure, a price or a quantity.
func (p *Plan) Value(name string) float64 {
	v, ok := p.values[name]
	if !ok {
		panic("BUG: a plan has no " + name)
	}
	return v
}
