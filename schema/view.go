package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Cold is what the analysts' view takes from the cold tier.
type Cold struct {
	// CutOver are the days whose sealed partition is in the cold tier too and
	// is no longer counted there.
	CutOver []Day `json:"cut_over,omitempty"`
	// Source is the table expression of every object that [ColdFiles] finds in
	// the table's folder, as far as the text of their columns, such as
	// s3(cold, format = 'Parquet', structure = and no further: [Schema.Files]
	// completes it. Empty if there is none.
	Source string `json:"source,omitempty"`
	// Files are those of the objects that count, each by its path in the table's
	// folder, such as day=2026-10-01/gen=000001/part-00000-0123456789abcdef.parquet.
	Files []string `json:"files,omitempty"`
	// Secret: Source has credentials in it. ClickHouse hides them where the
	// view's definition is shown, but not in a comment, so it is left out there.
	Secret bool `json:"secret,omitempty"`
	// Moving is the day that is about to move from hot to sealed; nil for none.
	Moving *Row `json:"moving,omitempty"`
}

// ColdFiles is the pattern of the Parquet files in a table's folder.
const ColdFiles = "day=*/gen=*/*.parquet"

// ColDay is the column that the analysts' view has beside those of the tables:
// the event's day in UTC. Of the cold tier it is the folder's name, and so what
// a query asks of it decides which files are opened.
const ColDay = "_day"

// pathColumns are no names for fields: the view has the one, and the others are
// in the path of every file, where readers of Parquet find columns too.
var pathColumns = []string{ColDay, "day", "gen"}

// coldFile is the path of a row's file in the table's folder. The prefix of the
// bucket, which comes before it, is the cold tier's business.
const coldFile = "extract(_path, '(day=[^/]+/gen=[^/]+/[^/]+)$')"

// Row is where one stored row is.
type Row struct {
	Day   Day    `json:"day"`
	Topic string `json:"topic"`
	Origin
}

// ViewComment is the comment of the analysts' view, as JSON: what it was made
// of. By it the view can be made again for another version of the schema by
// someone who does not know the cold tier.
type ViewComment struct {
	// SchemaVersion is that of the schema whose columns the view has.
	SchemaVersion int  `json:"schema_version"`
	Cold          Cold `json:"cold"`
}

// String returns the comment as the view has it.
func (c ViewComment) String() string {
	if c.Cold.Secret {
		c.Cold.Source = ""
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		panic("BUG: a view's comment has no JSON: " + err.Error())
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// ParseViewComment reads the comment of the analysts' view.
func ParseViewComment(text string) (c ViewComment, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields() // what a newer release has put there, this one would leave out of the view
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("the view's comment %.100q does not say what the view takes from the cold tier: %w; "+
			"run `compactor run --once`, or without a cold tier drop the view and run `ingest migrate`", text, err)
	}
	return c, nil
}

// ErrSecret is the error of a view that can be made anew by the compactor alone.
var ErrSecret = errors.New("the view reads the cold tier with credentials that stand in it; " +
	"the compactor's next pass replaces it, and with clickhouse.named_collection set there it need not")

// RenewView returns the statement that gives the analysts' view this schema's
// columns and leaves what it takes from the cold tier as its comment, which is
// read by [Schema.ViewCommentQuery], says. [ErrSecret] if the comment must not
// say it.
//
// The version has to be marked ready before the comment is read, and the
// statement sent at once: the compactor, which replaces the view too, looks
// afterwards whether a newer version has become ready, and before it moves or
// drops a day whether the view is still its own.
func (s *Schema) RenewView(t Tables, comment string) (string, error) {
	c, err := ParseViewComment(comment)
	if err != nil {
		return "", fmt.Errorf("view %s: %w", s.All(t), err)
	}
	if c.Cold.Secret {
		return "", fmt.Errorf("view %s: %w", s.All(t), ErrSecret)
	}
	return s.AllView(t, c.Cold), nil
}

// ViewCommentQuery returns the query for the comment of the analysts' view: one
// string, or no row where there is no view.
func (s *Schema) ViewCommentQuery(t Tables) string {
	return fmt.Sprintf("SELECT comment FROM system.tables WHERE database = %s AND name = %s",
		QuoteString(cmp.Or(t.Database, "default")), QuoteString(s.Name+"_all"))
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
//
// Of the cold tier it reads exactly [Cold.Files]. They are named in a condition
// on the path, and not as s3('{a,b}'): ClickHouse applies what a query asks of
// [ColDay] to the paths it has listed, and to none that are spelled out.
func (s *Schema) AllView(t Tables, cold Cold) string {
	return s.viewAs(t, "CREATE OR REPLACE VIEW "+s.All(t), cold)
}

// viewAs is the statement that begins like this.
func (s *Schema) viewAs(t Tables, create string, cold Cold) string {
	names := make([]string, 0, len(s.Fields)+len(ownColumns)+1)
	for _, c := range s.Columns() {
		names = append(names, QuoteIdent(c.Name))
	}
	names = append(names, fmt.Sprintf("toDate(%s) AS %s", QuoteIdent(s.Time.Field), QuoteIdent(ColDay)))
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s AS\nSELECT %s FROM %s\nUNION ALL\nSELECT %[3]s FROM %[5]s",
		create, t.onCluster(), strings.Join(names, ", "), s.Hot(t), s.Sealed(t))
	if filter := s.countedInSealed(t, cold); len(filter) > 0 {
		b.WriteString("\nWHERE " + strings.Join(filter, "\n  AND "))
	}
	if cold.Source != "" {
		b.WriteString("\nUNION ALL\n" + s.ColdRows(cold.Source, cold.Files))
	}
	b.WriteString("\nCOMMENT " + QuoteString(ViewComment{SchemaVersion: s.Version, Cold: cold}.String()))
	return b.String()
}

// ColdRows returns the query for what the analysts' view takes from the cold tier,
// whose [Cold.Source] and [Cold.Files] these are: the rows of those files, with
// their day as [ColDay].
func (s *Schema) ColdRows(source string, files []string) string {
	quoted := make([]string, 0, len(files))
	for _, f := range files {
		quoted = append(quoted, QuoteString(f))
	}
	day := fmt.Sprintf("CAST(substring(%s, 5, 10), 'Date') AS %s", coldFile, QuoteIdent(ColDay))
	return fmt.Sprintf("%s\nWHERE %s IN (%s)", s.FileRows(source, day), coldFile, strings.Join(quoted, ", "))
}

// FileRows returns the query for the rows of Parquet files of the cold tier, whose
// [Cold.Source] this is, as the tables would have them: every column of the
// schema, in its own type, also of a file that lacks it. Beside them it selects
// what more is asked for, which may be virtual columns of the files.
func (s *Schema) FileRows(source string, more ...string) string {
	var selected []string
	for _, c := range s.Columns() {
		selected = append(selected, fmt.Sprintf("CAST(%s, %s) AS %s", c.inFiles(), QuoteString(c.ClickHouse()), QuoteIdent(c.Name)))
	}
	return fmt.Sprintf("SELECT %s FROM %s", strings.Join(append(selected, more...), ", "), s.Files(source))
}

// Files returns the table expression of Parquet files of the cold tier whose
// [Cold.Source] this is. The columns are spelled out, so that ClickHouse opens
// no file to plan a query. One that a file may lack, since its field came with a
// later version, is NULL there. A column of low cardinality is a plain string in
// a file.
func (s *Schema) Files(source string) string {
	var columns []string
	for _, c := range s.Columns() {
		c.LowCardinality = false
		c.Nullable = c.Nullable || c.first() > 1
		columns = append(columns, QuoteIdent(c.Name)+" "+c.ClickHouse())
	}
	return source + QuoteString(strings.Join(columns, ", ")) + ")"
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
		all = append(all, fmt.Sprintf("(%s != %s OR 1 NOT IN (SELECT 1 FROM %s WHERE %[1]s = %[2]s AND %[4]s = %d AND %[6]s = %d AND %[8]s = %d AND %[10]s = %s))",
			day, of, s.Hot(t), QuoteIdent(ColPartition), m.Partition, QuoteIdent(ColOffset), m.Offset, QuoteIdent(ColIndex), m.Index, QuoteIdent(ColTopic), QuoteString(m.Topic)))
	}
	return all
}

// inFiles is the column's value in files of every version of the schema: in one
// that was written before the column was, what extra has of it.
func (c Column) inFiles() string {
	if c.first() == 1 {
		return QuoteIdent(c.Name)
	}
	return fmt.Sprintf("ifNull(%s, %s)", QuoteIdent(c.Name), c.fallback())
}
