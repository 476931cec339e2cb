package schema

import (
	"fmt"
	"strings"
)

// Cold is what the analysts' view takes from the cold tier.
type Cold struct {
	// CutOver are the days whose sealed partition is in the cold tier too and
	// is no longer counted there.
	CutOver []Day
	// Source is the table expression of the published Parquet files, such as
	// s3(...); empty if there are none.
	Source string
}

// AllView returns the statement that makes the analysts' view show hot, sealed
// and cold. It is one statement: a query sees the view before it or after it,
// so that a day moves from sealed to cold without a moment in which it counts
// twice or not at all.
func (s *Schema) AllView(t Tables, cold Cold) string {
	return s.allView(t, "CREATE OR REPLACE VIEW", cold)
}

func (s *Schema) allView(t Tables, create string, cold Cold) string {
	names := make([]string, 0, len(s.Fields)+len(ownColumns))
	casts := make([]string, 0, cap(names))
	for _, c := range s.Columns() {
		q := QuoteIdent(c.Name)
		names = append(names, q)
		casts = append(casts, fmt.Sprintf("CAST(%s, %s) AS %[1]s", q, QuoteString(c.ClickHouse())))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s AS\nSELECT %s FROM %s\nUNION ALL\nSELECT %[4]s FROM %[6]s",
		create, s.All(t), t.onCluster(), strings.Join(names, ", "), s.Hot(t), s.Sealed(t))
	if len(cold.CutOver) > 0 {
		days := make([]string, 0, len(cold.CutOver))
		for _, d := range cold.CutOver {
			days = append(days, QuoteString(d.String()))
		}
		fmt.Fprintf(&b, " WHERE toDate(%s) NOT IN (%s)", QuoteIdent(s.Time.Field), strings.Join(days, ", "))
	}
	if cold.Source != "" {
		fmt.Fprintf(&b, "\nUNION ALL\nSELECT %s FROM %s", strings.Join(casts, ", "), cold.Source)
	}
	return b.String()
}
