package schema

import (
	"cmp"
	"fmt"
)

// nextView is the name of the view that is to become the analysts', prepared by
// the compactor with this fencing number.
func (s *Schema) nextView(fence uint64) string { return fmt.Sprintf("%s_all_next_%d", s.Name, fence) }

// NextView returns the statement that prepares another analysts' view, see
// [Schema.AllView], under a name of its own; it fails if there is one by now.
func (s *Schema) NextView(t Tables, fence uint64, cold Cold) string {
	return s.viewAs(t, "CREATE VIEW "+t.qualified(s.nextView(fence)), cold)
}

// ExchangeView returns the statement that makes the view which was prepared the
// analysts', at once; it fails if there is none by now. The old one is then under
// the other's name.
func (s *Schema) ExchangeView(t Tables, fence uint64) string {
	return fmt.Sprintf("EXCHANGE TABLES %s AND %s%s", t.qualified(s.nextView(fence)), s.All(t), t.onCluster())
}

// DropNextView returns the statement that drops what is under that name, if
// anything is.
func (s *Schema) DropNextView(t Tables, fence uint64) string {
	return "DROP VIEW IF EXISTS " + t.qualified(s.nextView(fence)) + t.onCluster() + " SYNC"
}

// NextViewsQuery returns the query for the fencing numbers of all views that are
// prepared, each a UInt64.
func (s *Schema) NextViewsQuery(t Tables) string {
	prefix := s.Name + "_all_next_"
	return fmt.Sprintf("SELECT DISTINCT toUInt64(substring(name, %d)) FROM %s WHERE database = %s AND match(name, %s)",
		len(prefix)+1, t.System("tables"), QuoteString(cmp.Or(t.Database, "default")), QuoteString("^"+prefix+"[0-9]+$"))
}
