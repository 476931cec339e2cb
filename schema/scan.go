package schema

import "bytes"

// scanner is the reader of JSON for the hot path: one pass over the bytes, each
// value straight into its column. It can be short because it knows what comes
// next: the events of one firmware have the same members in the same order,
// with the same punctuation, so what stands between two values is compared as a
// whole with what stood there before, see shapes. Nothing is looked up by name,
// and which fields an event has follows from the path that was taken.
//
// It reads only what it predicts, and only plain values. The first thing that is
// neither, such as an escape in a string, undoes the row and hands the record to
// the parser, whose verdict is the only one there is: the scanner never rejects,
// and never accepts what the parser would not.
type scanner struct {
	parser *parser
	shapes shapes
	extra  []byte // scratch of the extra column
}

func newScanner(s *Schema, limits *limits) *scanner {
	return &scanner{parser: newParser(s, limits), shapes: newShapes(s)}
}

var _ reader = (*scanner)(nil)

// read implements reader.
func (s *scanner) read(value []byte, b *Block) (extra []byte, rej *Rejection) {
	if limits := s.parser.limits; len(value) > limits.harmless {
		if rej := limits.json(value); rej != nil {
			return nil, rej
		}
	}
	if s.scan(value, b) {
		return s.extra, nil
	}
	extra, rej = s.parser.read(value, b)
	if rej == nil {
		s.shapes.learn(value, s.parser.members)
	}
	return extra, rej
}

// scan reads the record as predicted and returns true, or appends nothing.
func (s *scanner) scan(v []byte, b *Block) bool {
	s.extra = s.extra[:0]
	at, p := s.shapes.root, 0
	for {
		m := at.follow(v[p:])
		if m == nil {
			break
		}
		end := s.value(m, v, p+len(m.text), b)
		if end < 0 {
			break
		}
		at, p = m, end
	}
	if at.ends && endsObject(v[p:]) {
		for _, column := range at.absent {
			b.columns[column].appendZero()
		}
		if len(s.extra) > 0 {
			s.extra = append(s.extra, '}')
		}
		return true
	}
	for ; at.before != nil; at = at.before {
		if at.kind != kindUnknown {
			b.columns[at.column].undo()
		}
	}
	return false
}

// value appends the value at v[p:] to the member's column, or to extra, and
// returns where it ends; or it appends nothing and returns -1. That nothing of
// the value follows there is for what is predicted next to say: it begins with a
// comma, a brace or a blank.
func (s *scanner) value(m *member, v []byte, p int, b *Block) int {
	if p >= len(v) {
		return -1
	}
	if m.kind == kindUnknown {
		return s.keep(m, v, p)
	}
	col := b.columns[m.column]
	if v[p] == 'n' {
		if m.required || !hasPrefix(v[p:], "null") {
			return -1
		}
		col.appendZero()
		return p + len("null")
	}
	switch m.kind {
	case kindFloat32:
		f, end := scanFloat32(v, p)
		if end >= 0 {
			col.(*fixed[float32]).append(f)
		}
		return end
	case kindFloat64:
		f, end := scanFloat64(v, p)
		if end >= 0 {
			col.(*fixed[float64]).append(f)
		}
		return end
	case kindString:
		end := scanString(v, p)
		if end >= 0 {
			col.(*stringColumn).append(v[p+1 : end-1])
		}
		return end
	case kindDict:
		end := scanString(v, p)
		if end >= 0 {
			col.(*dictColumn).append(v[p+1 : end-1])
		}
		return end
	case kindBool:
		switch {
		case hasPrefix(v[p:], "true"):
			col.(*fixed[uint8]).append(1)
			return p + len("true")
		case hasPrefix(v[p:], "false"):
			col.(*fixed[uint8]).append(0)
			return p + len("false")
		}
		return -1
	case kindTime:
		if v[p] == '"' {
			end := scanString(v, p)
			if end < 0 || !col.appendJSON(v[p:end]) {
				return -1
			}
			return end
		}
	}
	n, end := scanInteger(v, p)
	if end < 0 || !appendInteger(m.kind, col, n, v[p] == '-') {
		return -1
	}
	return end
}

// appendInteger appends the number if it fits the column. negative tells -0,
// which is no unsigned number.
func appendInteger(k kind, col column, n int64, negative bool) bool {
	switch k {
	case kindUInt64:
		return !negative && appendIn(col.(*fixed[uint64]), n, 0, 1<<63-1)
	case kindUInt32:
		return !negative && appendIn(col.(*fixed[uint32]), n, 0, 1<<32-1)
	case kindUInt16:
		return !negative && appendIn(col.(*fixed[uint16]), n, 0, 1<<16-1)
	case kindUInt8:
		return !negative && appendIn(col.(*fixed[uint8]), n, 0, 1<<8-1)
	case kindInt64, kindTime:
		col.(*fixed[int64]).append(n)
		return true
	case kindInt32:
		return appendIn(col.(*fixed[int32]), n, -1<<31, 1<<31-1)
	case kindInt16:
		return appendIn(col.(*fixed[int16]), n, -1<<15, 1<<15-1)
	case kindInt8:
		return appendIn(col.(*fixed[int8]), n, -1<<7, 1<<7-1)
	}
	panic("BUG: not a kind of integers")
}

func appendIn[T fixedValue](col *fixed[T], n, least, most int64) bool {
	if n < least || n > most {
		return false
	}
	col.append(T(n))
	return true
}

// keep appends the member to extra as it is written.
func (s *scanner) keep(m *member, v []byte, p int) int {
	end := -1
	switch c := v[p]; {
	case c == '"':
		end = scanString(v, p)
	case c == '{' || c == '[':
		// What is nested is for the full parser, but for it alone.
		if raw, err := s.parser.one(v[p:]); err == nil && depth(raw) <= s.parser.limits.Nesting {
			end = p + len(raw)
		}
	case hasPrefix(v[p:], "true") || hasPrefix(v[p:], "null"):
		end = p + len("true")
	case hasPrefix(v[p:], "false"):
		end = p + len("false")
	default:
		end = scanNumber(v, p)
	}
	if end >= 0 {
		s.extra = appendMember(s.extra, m.name, v[p:end])
	}
	return end
}

func hasPrefix(v []byte, prefix string) bool {
	return len(v) >= len(prefix) && string(v[:len(prefix)]) == prefix
}

// endsObject says whether rest closes the object, with nothing behind it.
func endsObject(rest []byte) bool {
	if len(rest) == 1 { // nearly always
		return rest[0] == '}'
	}
	rest = bytes.TrimLeft(rest, blanks)
	return len(rest) > 0 && rest[0] == '}' && len(bytes.TrimLeft(rest[1:], blanks)) == 0
}

const blanks = " \t\r\n" // of JSON
