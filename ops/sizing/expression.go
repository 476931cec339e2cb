package sizing

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"strconv"
	"strings"
)

// expression is a formula: numbers, names, + - * /, parentheses, and calls of
// [functions]. It has Go's grammar, so that Go's parser reads it.
type expression struct {
	text string
	node ast.Expr
}

// functions are those a formula may call, by their number of arguments; -1 for any.
var functions = map[string]struct {
	args int
	of   func(args ...float64) float64
}{
	"ceil":      {1, func(a ...float64) float64 { return math.Ceil(a[0] - rounding*math.Abs(a[0])) }},
	"log10":     {1, func(a ...float64) float64 { return math.Log10(a[0]) }},
	"max":       {-1, func(a ...float64) float64 { return fold(math.Max, a) }},
	"min":       {-1, func(a ...float64) float64 { return fold(math.Min, a) }},
	"divisible": {1, func(a ...float64) float64 { return divisible(a[0]) }},
	"divisor":   {2, func(a ...float64) float64 { return divisor(a[0], a[1]) }},
}

// rounding is what a sum of fractions may be above a whole number without being more.
const rounding = 1e-12

func fold(f func(a, b float64) float64, args []float64) float64 {
	out := args[0]
	for _, a := range args[1:] {
		out = f(out, a)
	}
	return out
}

// divisible is the least of 6, 12, 24, 48, ... that is no less. They have many
// divisors, and each those of the one before: twice the load never needs fewer nodes.
func divisible(least float64) float64 {
	n := 6.0
	for n < least {
		n *= 2
	}
	return n
}

// divisor is the least divisor of a number that is no less than another, and
// infinite if there is none.
func divisor(least, of float64) float64 {
	for n := max(1, math.Ceil(least)); n <= of; n++ {
		if math.Mod(of, n) == 0 {
			return n
		}
	}
	return math.Inf(1)
}

// parse reads a formula.
func parse(text string) (expression, error) {
	node, err := parser.ParseExpr(text)
	if err != nil {
		return expression{}, fmt.Errorf("formula %q: %w", text, err)
	}
	return expression{text, node}, nil
}

// names returns the names of quantities in it, in their order.
func (e expression) names() (names []string) {
	ast.Inspect(e.node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr: // not the function's own
			for _, a := range n.Args {
				names = append(names, expression{node: a}.names()...)
			}
			return false
		case *ast.Ident:
			names = append(names, n.Name)
		}
		return true
	})
	return names
}

// value computes it.
func (e expression) value(of map[string]float64) (float64, error) {
	v, err := evaluate(e.node, of)
	if err != nil {
		return 0, fmt.Errorf("formula %q: %w", e.text, err)
	}
	return v, nil
}

func evaluate(node ast.Expr, of map[string]float64) (float64, error) {
	switch n := node.(type) {
	case *ast.BasicLit:
		return strconv.ParseFloat(n.Value, 64)
	case *ast.Ident:
		v, ok := of[n.Name]
		if !ok {
			return 0, fmt.Errorf("%s is neither an input, a figure nor computed before", n.Name)
		}
		return v, nil
	case *ast.ParenExpr:
		return evaluate(n.X, of)
	case *ast.BinaryExpr:
		a, err := evaluate(n.X, of)
		if err != nil {
			return 0, err
		}
		b, err := evaluate(n.Y, of)
		if err != nil {
			return 0, err
		}
		switch n.Op {
		case token.ADD:
			return a + b, nil
		case token.SUB:
			return a - b, nil
		case token.MUL:
			return a * b, nil
		case token.QUO:
			return a / b, nil
		}
	case *ast.CallExpr:
		name, _ := n.Fun.(*ast.Ident)
		if name == nil {
			break
		}
		f, ok := functions[name.Name]
		if !ok || f.args >= 0 && f.args != len(n.Args) || len(n.Args) == 0 {
			return 0, fmt.Errorf("%s of %d arguments is no function", name.Name, len(n.Args))
		}
		args := make([]float64, len(n.Args))
		for i, a := range n.Args {
			var err error
			if args[i], err = evaluate(a, of); err != nil {
				return 0, err
			}
		}
		return f.of(args...), nil
	}
	return 0, fmt.Errorf("at %d: want numbers, names, + - * / and functions", node.Pos())
}

// filled is the formula with numbers in the place of names.
func (e expression) filled(of map[string]float64) string {
	var b strings.Builder
	fill(&b, e.node, of)
	return b.String()
}

func fill(b *strings.Builder, node ast.Expr, of map[string]float64) {
	switch n := node.(type) {
	case *ast.BasicLit:
		v, _ := strconv.ParseFloat(n.Value, 64) // it was computed before
		b.WriteString(Number(v))
	case *ast.Ident:
		b.WriteString(Number(of[n.Name]))
	case *ast.ParenExpr:
		b.WriteString("(")
		fill(b, n.X, of)
		b.WriteString(")")
	case *ast.BinaryExpr:
		fill(b, n.X, of)
		b.WriteString(" " + n.Op.String() + " ")
		fill(b, n.Y, of)
	case *ast.CallExpr:
		b.WriteString(n.Fun.(*ast.Ident).Name + "(")
		for i, a := range n.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			fill(b, a, of)
		}
		b.WriteString(")")
	}
}
