package schema

import (
	"strings"
	"testing"
)

// A day that is computed anew has to come out as the view would have made it.
func TestTheRollupIsComputedByOneQuery(t *testing.T) {
	s := Telemetry()
	for _, statement := range s.DDL(Tables{}) {
		if _, query, ok := strings.Cut(statement, "_1m_state` AS\n"); ok {
			if want := s.RollupOf(s.Hot(Tables{}), ""); query != want {
				t.Errorf("the view is fed by\n%s\nand a day is computed anew by\n%s", query, want)
			}
			return
		}
	}
	t.Error("no statement creates a view that feeds the rollup")
}
