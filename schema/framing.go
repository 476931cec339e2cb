package schema

import (
	"bytes"
	"math"
	"slices"
)

// Framing is how many events the value of a record holds.
type Framing string

// The framings.
const (
	// Single: the value is one event.
	Single Framing = "single"
	// Batched: the value is a JSON array of events, or an event a line (NDJSON).
	// Which of them is told by the first byte that is no blank; an event alone is
	// one line.
	Batched Framing = "batched"
)

// Framings returns every framing.
func Framings() []Framing { return []Framing{Single, Batched} }

// maxEvents is how many events one record may hold: as many as [ColIndex] tells
// apart.
const maxEvents = math.MaxUint16 + 1

// Splitter finds the events of records. It looks for where they end and no
// further: whether one is valid is for the decoder to say, so that one which is
// not takes no other with it. A Splitter is used by one goroutine at a time.
type Splitter struct {
	framing  Framing
	maxBytes int
	most     int      // events
	events   [][]byte // of the record that was split last
}

// NewSplitter returns a splitter that rejects records of several events and more
// than maxBytes.
func NewSplitter(f Framing, maxBytes int) *Splitter {
	if !slices.Contains(Framings(), f) {
		panic("BUG: no splitter for framing " + string(f))
	}
	return &Splitter{framing: f, maxBytes: maxBytes, most: maxEvents}
}

// Within has the splitter reject records of more events than the bounds say, and
// returns it.
func (s *Splitter) Within(b Bounds) *Splitter {
	s.most = b.Events
	return s
}

// Split returns the events of a record's value in their order, at least one, or
// why nobody can tell what they are. They share value's memory, and the slice is
// valid until the next call.
func (s *Splitter) Split(value []byte) (events [][]byte, rej *Rejection) {
	s.events = s.events[:0]
	if s.framing == Single {
		s.events = append(s.events, value)
		return s.events, nil
	}
	if len(value) > s.maxBytes {
		return nil, reject(ReasonTooLarge, "the record has %d bytes; at most %d are decoded", len(value), s.maxBytes)
	}
	text := bytes.Trim(value, blanks)
	switch {
	case len(value) == 0:
		return nil, reject(ReasonEmpty, "the record has no value")
	case len(text) == 0:
		return nil, reject(ReasonMalformed, "the record is blank")
	case text[0] == '[':
		rej = s.array(text)
	default:
		rej = s.lines(text)
	}
	if rej != nil {
		return nil, rej
	}
	return s.events, nil
}

// Several says whether a record may hold several events.
func (s *Splitter) Several() bool { return s.framing != Single }

// lines splits text at line feeds, which JSON has in no string. Blank lines are
// no events.
func (s *Splitter) lines(text []byte) *Rejection {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		if line = bytes.Trim(line, blanks); len(line) == 0 {
			continue
		}
		if rej := s.add(line); rej != nil {
			return rej
		}
	}
	return nil
}

// array splits an array at the commas that are neither in a string nor nested.
// Brackets are counted and not paired: a value in which they do not match is not
// valid by itself.
func (s *Splitter) array(text []byte) *Rejection {
	depth, begin := 0, 1
	for p := 0; p < len(text); p++ {
		switch text[p] {
		case '"':
			end := endOfString(text[p:])
			if end < 0 {
				return reject(ReasonMalformed, "the string at byte %d of the array has no end", p)
			}
			p += end - 1
		case '[', '{':
			depth++
		case ',':
			if depth == 1 {
				if rej := s.add(bytes.Trim(text[begin:p], blanks)); rej != nil {
					return rej
				}
				begin = p + 1
			}
		case ']', '}':
			if depth--; depth > 0 {
				continue
			}
			last := bytes.Trim(text[begin:p], blanks)
			switch {
			case text[p] != ']':
				return reject(ReasonMalformed, "the array is closed by a brace, at byte %d", p)
			case p+1 < len(text):
				return reject(ReasonMalformed, "something follows the array, which ends at byte %d", p+1)
			case len(last) == 0 && len(s.events) == 0:
				return reject(ReasonEmpty, "the array has no events")
			}
			return s.add(last)
		}
	}
	return reject(ReasonMalformed, "the array has no end")
}

// add takes one event.
func (s *Splitter) add(event []byte) *Rejection {
	if len(event) == 0 {
		return reject(ReasonMalformed, "nothing stands before or after a comma of the array, where event %d would be", len(s.events))
	}
	if len(s.events) == s.most {
		return reject(ReasonTooLarge, "the record has more than %d events; send fewer in one", s.most)
	}
	s.events = append(s.events, event)
	return nil
}

// endOfString returns the length of the JSON string that text begins with, or -1.
func endOfString(text []byte) int {
	for p := 1; p < len(text); p++ {
		n := bytes.IndexByte(text[p:], '"')
		if n < 0 {
			return -1
		}
		p += n
		escapes := 0
		for text[p-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return p + 1
		}
	}
	return -1
}
