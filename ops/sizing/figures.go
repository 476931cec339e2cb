package sizing

import (
	"bytes"
	_ "embed" // the tables
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Figure is a number that a formula names, and where it is from.
type Figure struct {
	Name  string  `yaml:"name" json:"name"`
	Value float64 `yaml:"value" json:"value"`
	Unit  string  `yaml:"unit" json:"unit,omitempty"`
	What  string  `yaml:"what" json:"what"`
	// Source is the file that says so, Quote its words, Derived how the value is made
	// of the numbers in them where it is none of them, Command what measures it anew. A
	// price has none of these.
	Source  string `yaml:"source" json:"source,omitempty"`
	Quote   string `yaml:"quote" json:"-"`
	Derived string `yaml:"derived" json:"-"`
	Command string `yaml:"command" json:"command,omitempty"`
}

// Figures are what a plan is made of beside its input.
type Figures struct {
	Measured []Figure
	Prices   []Figure // in USD
}

//go:embed figures.yaml
var measured []byte

//go:embed prices.yaml
var prices []byte

// DefaultFigures returns what the project's own measurements say, and round prices.
func DefaultFigures() Figures {
	return Figures{Measured: table(measured), Prices: table(prices)}
}

func table(text []byte) (figures []Figure) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&figures); err != nil {
		panic(fmt.Sprintf("BUG: a table of figures that cannot be read: %v", err))
	}
	return figures
}

// Override replaces values by those of a file of lines "name: value". It names every
// line that is of no figure in the table.
func Override(figures []Figure, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("figures of one's own: %w", err)
	}
	var own map[string]float64
	if err := yaml.Unmarshal(text, &own); err != nil {
		return fmt.Errorf("%s: want lines such as \"%s: %v\": %w", path, figures[0].Name, figures[0].Value, err)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(own)) {
		i := slices.IndexFunc(figures, func(f Figure) bool { return f.Name == name })
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("%s: there is no figure %s; there are %s", path, name, strings.Join(names(figures), ", ")))
		case own[name] < 0:
			errs = append(errs, fmt.Errorf("%s: %s is %v; want no less than 0", path, name, own[name]))
		default:
			figures[i].Value, figures[i].Source, figures[i].Command = own[name], path, ""
		}
	}
	return errors.Join(errs...)
}

func names(figures []Figure) (out []string) {
	for _, f := range figures {
		out = append(out, f.Name)
	}
	return out
}
