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
	// Moving is the day that is about to move from hot to sealed; nil for none.
	Moving *Row
}

// Row is where one stored row is.
type Row struct {
	Day       Day
	Topic     string
	Partition int32
	Offset    int64
}

// AllView returns the statement that makes the analysts' view show hot, sealed
// and cold. It is one statement: a query sees the view before it or after it,
// so that a day moves from sealed to cold without a moment in which it counts
// twice or not at all.
//
// MOVE PARTITION is atomic, but a query takes its snapshot of the hot table
// before that of the sealed one, and a day that moves between the two would be
// in both. So while a day moves the view counts its sealed rows only if one of
// its rows, [Cold.Moving], is no longer in the hot table. All the query's looks
// at one table share a snapshot (enable_shared_storage_snapshot_in_query, on by
// default), and the partition moves whole: the one row tells for all.
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
	if filter := s.countedInSealed(t, cold); len(filter) > 0 {
		b.WriteString("\nWHERE " + strings.Join(filter, "\n  AND "))
	}
	if cold.Source != "" {
		fmt.Fprintf(&b, "\nUNION ALL\nSELECT %s FROM %s", strings.Join(casts, ", "), cold.Source)
	}
	return b.String()
}

// countedInSealed returns the conditions under which a sealed row counts.
func (s *Schema) countedInSealed(t Tables, cold Cold) (all []string) {
	day := "toDate(" + QuoteIdent(s.Time.Field) + ")"
	if len(cold.CutOver) > 0 {
		days := make([]string, 0, len(cold.CutOver))
		for _, d := range cold.CutOver {
			days = append(days, QuoteString(d.String()))
		}
		all = append(all, day+" NOT IN ("+strings.Join(days, ", ")+")")
	}
	if m := cold.Moving; m != nil {
		of := QuoteString(m.Day.String())
		all = append(all, fmt.Sprintf("(%s != %s OR 1 NOT IN (SELECT 1 FROM %s WHERE %[1]s = %[2]s AND %[4]s = %d AND %[6]s = %d AND %[8]s = %s))",
			day, of, s.Hot(t), QuoteIdent(ColPartition), m.Partition, QuoteIdent(ColOffset), m.Offset, QuoteIdent(ColTopic), QuoteString(m.Topic)))
	}
	return all
}
