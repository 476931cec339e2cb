package statement

import "strings"

// scanner steps through SQL text by tokens.
type scanner struct {
	text string
	pos  int
}

// space skips white space and comments.
func (s *scanner) space() {
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			s.pos++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
			s.skip(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			s.skip(rest, "*/")
		default:
			return
		}
	}
}

func (s *scanner) skip(rest, end string) {
	if i := strings.Index(rest, end); i >= 0 {
		s.pos += i + len(end)
		return
	}
	s.pos = len(s.text)
}

// keyword steps over the word, in any case, if it is next.
func (s *scanner) keyword(word string) bool {
	before := s.pos
	s.space()
	end := s.pos + len(word)
	if end > len(s.text) || !strings.EqualFold(s.text[s.pos:end], word) || end < len(s.text) && wordByte(s.text[end]) {
		s.pos = before
		return false
	}
	s.pos = end
	return true
}

// symbol steps over c if it is next, with no space before it.
func (s *scanner) symbol(c byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// name steps over an identifier, plain or quoted, or a {name:Type} placeholder.
func (s *scanner) name() bool {
	s.space()
	if s.pos >= len(s.text) {
		return false
	}
	switch c := s.text[s.pos]; {
	case c == '`' || c == '"':
		s.quoted(c)
		return true
	case c == '{':
		s.skip(s.text[s.pos:], "}")
		return true
	case wordByte(c):
		for s.pos < len(s.text) && wordByte(s.text[s.pos]) {
			s.pos++
		}
		return true
	}
	return false
}

// parens steps over a parenthesised group.
func (s *scanner) parens() bool {
	s.space()
	if s.pos >= len(s.text) || s.text[s.pos] != '(' {
		return false
	}
	for depth := 0; s.pos < len(s.text); s.space() {
		switch s.text[s.pos] {
		case '(':
			depth++
		case ')':
			depth--
		}
		s.token()
		if depth == 0 {
			return true
		}
	}
	return false
}

// token steps over one token; at the end of the text it does nothing.
func (s *scanner) token() {
	if s.pos >= len(s.text) {
		return
	}
	switch c := s.text[s.pos]; {
	case c == '`' || c == '"' || c == '\'':
		s.quoted(c)
	case wordByte(c):
		for s.pos < len(s.text) && wordByte(s.text[s.pos]) {
			s.pos++
		}
	default:
		s.pos++
	}
}

// quoted steps over a literal; the quote is escaped by a backslash or doubled.
func (s *scanner) quoted(q byte) {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			s.pos++
		case q:
			if s.pos+1 < len(s.text) && s.text[s.pos+1] == q {
				s.pos++
				continue
			}
			s.pos++
			return
		}
	}
	s.pos = min(s.pos, len(s.text))
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
