package schema

import (
	"slices"
	"strings"
)

// shapes predicts what stands between the values of an event. It is a tree: a
// path from its root is the members of some event in their order, and the next
// member is found by comparing what follows with what followed before. An event
// of a firmware that was seen before takes one comparison a member, of its name,
// its punctuation and its blanks together.
//
// It learns from what the parser accepted, and from nothing else. So no path has
// a member twice, and whoever comes to its end knows without counting which
// fields the event has not got.
type shapes struct {
	schema  *Schema
	root    *member
	members int
}

// member is one member of an event, after those before it.
type member struct {
	// text is all that stands between the value before, or the beginning of the
	// record, and this one: with its name as it is written.
	text string
	name string // as it is written, quotes included

	kind     kind
	required bool
	column   int // of the block; of no meaning for kindUnknown

	before *member // nil for the root
	next   []*member
	// ends: events end after this member. absent are the columns of the fields
	// they have not got; none of them is required.
	ends   bool
	absent []int
}

// kind is how a value is read: by the type of its column, or not at all.
type kind uint8

const (
	kindUnknown kind = iota // the schema has no such field
	kindString
	kindDict
	kindBool
	kindFloat32
	kindFloat64
	kindTime
	kindInt8
	kindInt16
	kindInt32
	kindInt64
	kindUInt8
	kindUInt16
	kindUInt32
	kindUInt64
)

var kinds = map[Type]kind{
	String: kindString, Bool: kindBool, Float32: kindFloat32, Float64: kindFloat64, TimestampMS: kindTime,
	Int8: kindInt8, Int16: kindInt16, Int32: kindInt32, Int64: kindInt64,
	UInt8: kindUInt8, UInt16: kindUInt16, UInt32: kindUInt32, UInt64: kindUInt64,
}

func (c Column) kind() kind {
	if c.LowCardinality {
		return kindDict
	}
	return kinds[c.Type]
}

// Bounds of what is learned. Whoever sends members of random names would
// otherwise be remembered for ever. Past them all is forgotten and learned anew,
// which costs the parser's time for one event of each firmware: less than to
// find out which of the paths is worth keeping.
const (
	maxMembers = 4096
	maxBranch  = 16
	maxText    = 256 // bytes; a record with a longer one is left to the parser
	maxPath    = 512 // members; likewise: to learn one costs more than to parse it
)

func newShapes(s *Schema) shapes { return shapes{schema: s, root: &member{}} }

// follow returns the member that rest begins with, or nil. A text may be another's
// and blanks more; no value begins with one.
func (m *member) follow(rest []byte) *member {
	for _, next := range m.next {
		if hasPrefix(rest, next.text) && len(rest) > len(next.text) && rest[len(next.text)] > ' ' {
			return next
		}
	}
	return nil
}

// learn makes the path of an event that the parser has accepted.
func (s *shapes) learn(value []byte, path []parsed) {
	if len(path) > maxPath {
		return
	}
	at, end := s.root, 0
	for _, p := range path {
		text := value[end:p.begin]
		if len(text) > maxText {
			return
		}
		i := slices.IndexFunc(at.next, func(m *member) bool { return m.text == string(text) })
		if i < 0 {
			if s.members == maxMembers || len(at.next) == maxBranch {
				*s = newShapes(s.schema)
				s.learn(value, path)
				return
			}
			i = len(at.next)
			s.grow(at, string(text), p.column)
		}
		at, end = at.next[i], p.end
	}
	if !at.ends {
		at.ends, at.absent = true, s.absent(path)
	}
}

// grow appends a member after another.
func (s *shapes) grow(before *member, text string, column int) {
	name := text[strings.IndexByte(text, '"') : strings.LastIndexByte(text, '"')+1]
	m := &member{text: text, name: name, before: before, column: column}
	if column != unknownColumn {
		c := s.schema.Fields[column]
		m.kind, m.required = c.kind(), c.Required
	}
	before.next = append(before.next, m)
	s.members++
}

// absent returns the columns of the fields that path has not got.
func (s *shapes) absent(path []parsed) (columns []int) {
	for i := range s.schema.Fields {
		if !slices.ContainsFunc(path, func(p parsed) bool { return p.column == i }) {
			columns = append(columns, i)
		}
	}
	return columns
}
