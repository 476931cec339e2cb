package schema

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Proposal is what a schema could become, and why.
type Proposal struct {
	// Next is the version with the fields that are proposed; nil if there are
	// none.
	Next  *Schema
	Added []Finding
	// Left stay in extra, each with its reason.
	Left []Finding
}

// Finding is what was observed of one name, from all senders.
type Finding struct {
	Name string
	// Column is the field that is proposed; of what is left it is zero.
	Column   Column
	Rows     uint64
	Kinds    map[string]uint64 // rows by type of JSON
	By       []string          // senders, sorted
	Min, Max float64           // of numbers
	// Why says why it is left, or what of an added field is left.
	Why string

	short bool
}

// Limits bound what is proposed.
type Limits struct {
	Columns int    // how many the tables may have
	Rows    uint64 // how many rows have to have a field; 0 is any
}

// Propose returns what the schema could become by what was observed. It is a
// pure function: who observed the same proposes the same.
func (s *Schema) Propose(seen []Observation, l Limits) (Proposal, error) {
	var p Proposal
	id := 0
	for _, c := range s.Fields {
		id = max(id, c.ID)
	}
	all := gather(seen)
	for _, f := range all {
		// A number that protobuf brings is some field's already.
		if n, err := strconv.Atoi(f.Name); err == nil && n < firstOwnID {
			id = max(id, n)
		}
	}
	next := s.Version + 1
	for _, f := range all {
		if s.reads(f) {
			continue
		}
		f.Why = s.refusal(f.Name)
		if f.Why == "" && f.Rows < l.Rows {
			f.Why = fmt.Sprintf("fewer than %d rows have it", l.Rows)
		}
		var typ Type
		if f.Why == "" {
			typ, f.Why = f.infer()
		}
		switch {
		case typ == "":
		case len(s.Columns())+len(p.Added) >= l.Columns:
			typ, f.Why = "", fmt.Sprintf("the tables have %d columns of evolution.max_columns, %d", len(s.Columns())+len(p.Added), l.Columns)
		case id+1 >= firstOwnID:
			typ, f.Why = "", "every id is taken"
		}
		if typ == "" {
			p.Left = append(p.Left, f)
			continue
		}
		id++
		f.Column = Column{ID: id, Name: f.Name, Type: typ, Nullable: true, Since: next}
		p.Added = append(p.Added, f)
	}
	if len(p.Added) == 0 {
		return p, nil
	}
	columns := make([]Column, len(p.Added))
	for i, f := range p.Added {
		columns[i] = f.Column
	}
	text, err := amend(s.text, next, columns)
	if err != nil {
		return p, err
	}
	if p.Next, err = Parse([]byte(text)); err != nil {
		return p, err
	}
	return p, p.Next.Extends(s)
}

// gather adds up what was observed by name, in the order of names.
func gather(seen []Observation) []Finding {
	by := map[string]*Finding{}
	for _, o := range seen {
		f := by[o.Name]
		if f == nil {
			f = &Finding{Name: o.Name, Kinds: map[string]uint64{}, short: true}
			by[o.Name] = f
		}
		if isNumber(o.Kind) {
			if f.numbers() == 0 {
				f.Min, f.Max = o.Min, o.Max
			}
			f.Min, f.Max = min(f.Min, o.Min), max(f.Max, o.Max)
			f.short = f.short && o.Short
		}
		f.Rows += o.Rows
		f.Kinds[o.Kind] += o.Rows
		if o.By != "" && !slices.Contains(f.By, o.By) {
			f.By = append(f.By, o.By)
		}
	}
	all := make([]Finding, 0, len(by))
	for _, name := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[name].By)
		all = append(all, *by[name])
	}
	return all
}

func isNumber(kind string) bool { return kind == "Int64" || kind == "UInt64" || kind == "Double" }

func (f *Finding) numbers() uint64 { return f.Kinds["Int64"] + f.Kinds["UInt64"] + f.Kinds["Double"] }

// refusal says why no column can have the name; it is empty if one can.
func (s *Schema) refusal(name string) string {
	if n, err := strconv.Atoi(name); err == nil {
		return fmt.Sprintf("protobuf tells no name; give it one in the schema file, with id: %d", n)
	}
	if !identifier.MatchString(name) {
		return "the name is none for a column: want letters, digits and _, at most 64"
	}
	if slices.Contains(pathColumns, strings.ToLower(name)) {
		return "the name is in the path of every file of the cold tier"
	}
	for _, c := range s.Columns() {
		switch {
		case c.Name == name:
			return fmt.Sprintf("these values do not fit its column, which is a %s", c.Type)
		case strings.EqualFold(c.Name, name):
			return "the name is taken by " + c.Name + ", from which it differs in case only"
		}
	}
	return ""
}

// reads reports whether the column of a later version reads from extra all that
// was observed, as far as its type tells: it came from nodes without the column.
func (s *Schema) reads(f Finding) bool {
	c, ok := s.field(f.Name)
	if !ok || c.first() == 1 {
		return false
	}
	for kind := range f.Kinds {
		switch c.Type {
		case String, Bool:
			ok = kind == c.Type.json()
		case TimestampMS:
			ok = kind == "Int64" || kind == "String"
		case Float32, Float64:
			ok = isNumber(kind)
		default:
			ok = isNumber(kind) && kind != "Double"
		}
		if !ok && kind != "Null" {
			return false
		}
	}
	return true
}

// rare: of a field that nearly always comes in one type, what comes in another
// is left in extra. Of one that does not, all is.
const rare = 100

// infer returns the narrowest type that is likely to do for what is yet to come,
// and what is left of the field; or no type, and why. A column is never made
// wider, so whole numbers are signed, and of 32 bits only if those seen are far
// from its bounds.
func (f *Finding) infer() (Type, string) {
	classes := map[string]uint64{
		"numbers": f.numbers(), "true or false": f.Kinds["Bool"], "text": f.Kinds["String"],
		"lists": f.Kinds["Array"], "objects": f.Kinds["Object"],
	}
	names := slices.SortedFunc(maps.Keys(classes), func(a, b string) int {
		return cmp.Or(cmp.Compare(classes[b], classes[a]), cmp.Compare(a, b))
	})
	var told []string
	values := uint64(0)
	for _, name := range names {
		if classes[name] > 0 {
			told = append(told, fmt.Sprintf("%d of %s", classes[name], name))
			values += classes[name]
		}
	}
	first := names[0]
	switch {
	case values == 0:
		return "", "it is null wherever it is"
	case first == "lists" || first == "objects":
		return "", "no column has " + first
	case (values-classes[first])*rare > values:
		return "", "its types conflict: " + strings.Join(told, ", ")
	}
	why := ""
	if len(told) > 1 {
		why = "stays in extra: " + strings.Join(told[1:], ", ")
	}
	const near = 1 << 27
	switch {
	case first == "text":
		return String, why
	case first != "numbers":
		return Bool, why
	case f.Kinds["Double"] > 0 && f.short:
		return Float32, why
	case f.Kinds["Double"] > 0:
		return Float64, why
	case f.Kinds["UInt64"] > 0 && f.Min < 0:
		return "", "no type has both its negative numbers and those beyond 63 bits"
	case f.Kinds["UInt64"] > 0:
		return UInt64, why
	case f.Min > -near && f.Max < near:
		return Int32, why
	}
	return Int64, why
}
