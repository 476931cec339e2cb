package bench

import (
	"fmt"
	"math"
	"slices"
)

// Spread is a figure of several runs.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spread sums values up, to a thousandth; of none it is nil. The median of an even number is the
// lower of the two in the middle, and so a value that was measured.
func spread(values []float64) *Spread {
	if len(values) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	at := func(i int) float64 { return math.Round(1000*sorted[i]) / 1000 }
	return &Spread{Median: at((len(sorted) - 1) / 2), Min: at(0), Max: at(len(sorted) - 1)}
}

// text is median [min..max], each times scale; a dash for none.
func (s *Spread) text(format string, scale float64) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf(format+" ["+format+".."+format+"]", s.Median*scale, s.Min*scale, s.Max*scale)
}

// thousands is a rate for people.
func thousands(s *Spread) string { return s.text("%.0fk", 1e-3) }
