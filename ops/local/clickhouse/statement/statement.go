// Package statement reads as much of ClickHouse's SQL as a server must before
// it hands a statement to the engine: is it an INSERT that brings its rows
// along, into which columns, in which format, and where does the text end.
//
// It is a scanner, not a parser: what it does not recognise is the engine's to
// judge.
package statement

import (
	"slices"
	"strings"
)

// Insert is an INSERT whose rows come apart from the statement.
type Insert struct {
	Head    string   // up to, and without, VALUES or FORMAT: what the engine is given
	Table   string   // as written, such as db.`t`, or s3(...) after FUNCTION
	Columns []string // unquoted; nil when the statement names none
	Exact   bool     // Columns are plain names, not matchers such as * EXCEPT (a)
	Format  string   // as written after FORMAT; Values after VALUES; empty if neither
	Set     bool     // Head has settings of its own
	Data    string   // what follows: rows that came with the statement
}

// Name is Table without its quotes, such as db.t.
func (in Insert) Name() string {
	name, _ := unquote(in.Table)
	return name
}

// ParseInsert reports whether sql is an INSERT that takes rows from its client
// (not INSERT ... SELECT, not FROM INFILE), and its pieces.
func ParseInsert(sql string) (Insert, bool) {
	s := scanner{text: sql}
	var in Insert
	if !s.keyword("INSERT") {
		return in, false
	}
	s.keyword("INTO")
	s.keyword("TABLE")
	function := s.keyword("FUNCTION")
	s.space()
	start := s.pos
	if !s.name() {
		return in, false
	}
	for s.symbol('.') {
		if !s.name() {
			return in, false
		}
	}
	if function && !s.parens() {
		return in, false
	}
	in.Table = sql[start:s.pos]
	if s.keyword("PARTITION") { // of FUNCTION: PARTITION BY expr
		return in, false
	}
	s.space()
	if list := s.pos; s.parens() {
		inner := scanner{text: sql[list+1 : s.pos-1]}
		if inner.keyword("SELECT") || inner.keyword("WITH") {
			return in, false
		}
		in.Columns, in.Exact = columns(inner.text)
	}
	for {
		before := s.pos
		switch {
		case s.keyword("SETTINGS"):
			in.Set = true
			continue
		case s.keyword("VALUES"):
			in.Head, in.Format, in.Data = strings.TrimSpace(sql[:before]), "Values", sql[s.pos:]
			return in, true
		case s.keyword("FORMAT"):
			s.space()
			from := s.pos
			if !s.name() {
				return in, false
			}
			in.Head, in.Format, in.Data = strings.TrimSpace(sql[:before]), sql[from:s.pos], sql[s.pos:]
			return in, true
		case s.keyword("SELECT"), s.keyword("WITH"), s.keyword("FROM"), s.keyword("EXPLAIN"), s.keyword("WATCH"):
			return in, false
		}
		s.space()
		if s.pos == len(sql) || sql[s.pos] == ';' {
			in.Head = strings.TrimSpace(sql[:s.pos])
			return in, true
		}
		s.token()
	}
}

// Reads reports whether sql is certain to change no table: it begins as
// statements do that only read.
func Reads(sql string) bool {
	s := scanner{text: sql}
	return slices.ContainsFunc([]string{"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN"}, s.keyword)
}

// columns splits a column list into unquoted names.
func columns(list string) (names []string, exact bool) {
	s := scanner{text: list}
	exact = true
	for {
		s.space()
		from := s.pos
		for s.pos < len(list) && list[s.pos] != ',' {
			s.token()
			s.space()
		}
		name, plain := unquote(strings.TrimSpace(list[from:s.pos]))
		if name != "" {
			names = append(names, name)
		}
		exact = exact && plain
		if s.pos >= len(list) {
			return names, exact
		}
		s.pos++
	}
}

// unquote returns a possibly compound name such as `a`.b as the engine spells
// it, and whether it is one.
func unquote(word string) (string, bool) {
	s := scanner{text: word}
	var b strings.Builder
	for {
		from := s.pos
		if !s.name() {
			return word, false
		}
		part := word[from:s.pos]
		if q := part[0]; q == '`' || q == '"' {
			part = strings.NewReplacer(`\`+string(q), string(q), string(q)+string(q), string(q), `\\`, `\`).Replace(part[1 : len(part)-1])
		}
		b.WriteString(part)
		if s.pos == len(word) {
			return b.String(), true
		}
		if !s.symbol('.') {
			return word, false
		}
		b.WriteByte('.')
	}
}

// WithoutFormat cuts the FORMAT clause and the semicolon off the end of a
// statement that returns rows, and returns the format it named. On the native
// protocol the client formats, and servers ignore the clause.
func WithoutFormat(sql string) (rest, format string) {
	s := scanner{text: sql}
	depth, end := 0, len(sql)
	var formatAt, nameAt, nameEnd int
	for {
		s.space()
		if s.pos >= len(sql) {
			break
		}
		from := s.pos
		if sql[from] == ';' && strings.TrimSpace(stripComments(sql[from+1:])) == "" {
			end = from
			break
		}
		if depth == 0 && s.keyword("FORMAT") {
			s.space()
			at := s.pos
			if s.name() {
				formatAt, nameAt, nameEnd = from, at, s.pos
				continue
			}
			s.pos = at
			continue
		}
		switch sql[from] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
		s.token()
	}
	if nameEnd == 0 {
		return sql[:end], ""
	}
	tail := strings.TrimSpace(stripComments(sql[nameEnd:end]))
	if tail != "" && !strings.HasPrefix(strings.ToUpper(tail), "SETTINGS") {
		return sql[:end], "" // a column or alias of that name
	}
	return sql[:formatAt] + " " + sql[nameEnd:end], sql[nameAt:nameEnd]
}

func stripComments(sql string) string {
	s := scanner{text: sql}
	s.space()
	return sql[s.pos:]
}
