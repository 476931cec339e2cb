package sizing

import (
	"math"
	"strings"
	"testing"
)

func TestExpression(t *testing.T) {
	of := map[string]float64{"a": 6, "b": 1500, "c": 0.25}
	f := func(text string, want float64, filled string) {
		t.Helper()
		e, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.value(of); err != nil || got != want {
			t.Errorf("%s is %v (%v), want %v", text, got, err, want)
		}
		if got := e.filled(of); got != filled {
			t.Errorf("%s filled is %s, want %s", text, got, filled)
		}
	}
	f("a + b * c", 381, "6 + 1,500 * 0.25")
	f("(a + b) * c", 376.5, "(6 + 1,500) * 0.25")
	f("b / a - a / b", 249.996, "1,500 / 6 - 6 / 1,500")
	f("ceil(b / 1000000)", 1, "ceil(1,500 / 1,000,000)")
	f("max(a, b, c)", 1500, "max(6, 1,500, 0.25)")
	f("min(a, b)", 6, "min(6, 1,500)")
	f("log10(1000)", 3, "log10(1,000)")
	f("divisor(7, 96)", 8, "divisor(7, 96)")
	f("divisor(97, 96)", math.Inf(1), "divisor(97, 96)")
	f("divisible(80)", 96, "divisible(80)")
	f("divisible(96)", 96, "divisible(96)")
	f("divisible(0.1)", 6, "divisible(0.1)")
	f("ceil(0.1 * 3 / 0.1)", 3, "ceil(0.1 * 3 / 0.1)") // which is 3.0000000000000004

	bad := func(text, want string) {
		t.Helper()
		e, err := parse(text)
		if err == nil {
			_, err = e.value(of)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	bad("a +", "formula \"a +\"")
	bad("a + other", "other is neither an input")
	bad("floor(a)", "floor of 1 arguments")
	bad("ceil(a, b)", "ceil of 2 arguments")
	bad("max()", "max of 0 arguments")
	bad("a % 2", "want numbers")
	bad("-a", "want numbers")
}

func TestUnits(t *testing.T) {
	f := func(u unit, v float64, want string) {
		t.Helper()
		if got := u.format(v); got != want {
			t.Errorf("%v %s is %q, want %q", v, u, got, want)
		}
	}
	f(plain, 1234567, "1,234,567")
	f(plain, 0.77, "0.77")
	f(bytesUnit, 999, "999 B")
	f(bytesUnit, 2.14e14, "214 TB")
	f(bytesPerSecond, 1.25e9, "1.25 GB/s")
	f(usd, 54.321, "54.32 USD")
	f(usd, 142662.4, "142,662 USD")
	f(cores, 1.857, "1.86 cores")
	f(perSecond, 1500000, "1,500,000/s")
	if got := Number(-1234.5678) + " " + Number(5e-6) + " " + Number(3.810126e14+0.5); got != "-1,234.57 0.000005 381,013,000,000,000" {
		t.Errorf("numbers are %s", got)
	}
}
