package sizing

import (
	"math"
	"testing"
)

// The formulas foretell what was measured and is not among their figures. Each line
// is of docs/performance.md, and says by how much the plan may be off.
func TestFormulasForetellWhatWasMeasured(t *testing.T) {
	in := DefaultInput()
	in.Size = 466 // as measured
	p := mustPlan(t, in)
	v := p.Value
	f := func(what string, foretold, measured, within float64) {
		t.Helper()
		off := foretold/measured - 1
		t.Logf("%-60s foretold %8.4g, measured %8.4g, %+.0f %%", what, foretold, measured, 100*off)
		if math.Abs(off) > within {
			t.Errorf("%s: foretold %.4g, measured %.4g, off by %+.0f %%; want within %.0f %%", what, foretold, measured, 100*off, 100*within)
		}
	}
	// engine is CPU us an event of inserts of so many rows, in a day of so many.
	engine := func(rows, day float64) float64 {
		merged := v("merges_tenfold") * math.Log10(max(1, day/v("engine_rows")))
		return v("insert_cpu")*1e6/rows + v("engine_us_large") - v("insert_cpu")*1e6/v("large_rows") + merged*v("merge_us")
	}
	// "The engine": 20 s of 100,000/s.
	f("ClickHouse, 50,000 rows an insert", engine(50_000, 2e6), 2.9, 0.1)
	f("ClickHouse, 25,000 rows an insert", engine(25_000, 2e6), 4.7, 0.05)
	// "All of it at once": five inserts a second of one lane.
	f("ClickHouse, 20,000/s for a minute", engine(20_000/5, 1.2e6), 16.0, 0.25)
	f("ClickHouse, 150,000/s for three minutes", engine(150_000/5, 27e6), 4.1, 0.25)
	// "The node": a backlog, which is one lane at about all it can.
	f("node, CPU us an event of a backlog", v("node_us")+v("lane_cores")*1e6/971_000, 1e6/971_000., 0.2)
	// "All of it at once", backlog: 18 % of both cores for 220,000/s.
	f("node, cores while it drains", v("node_us")*0.22+v("lane_cores"), 0.36, 0.2)
	// "A day that moves while a fleet sends": 20,000,000 rows.
	f("compactor, CPU seconds", 20e6/v("move_cpu"), 32, 0.1)
}
