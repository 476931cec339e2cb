// Package top writes a state for a terminal: what the page shows, in lines.
package top

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"penstock/ops/state"
)

// Screen is where it is written to.
type Screen struct {
	// Width is in columns; longer lines are cut. At most 0 for no bound.
	Width int
	// Height is how many lines there is room for; what is less important is left out.
	// At most 0 for no bound.
	Height int
	// Runbooks is the URL below which the program that was asked has them by their id; they
	// are named without it if it is empty.
	Runbooks string
	// Colour: levels and headings have some.
	Colour bool
}

// colours are the terminal's own, which its user has chosen.
var colours = map[state.Level]string{state.Bad: "31", state.Warn: "33", state.Note: "36", state.Good: "32"}

// marks say how bad something is without a colour.
var marks = map[state.Level]string{state.Bad: "[!!]", state.Warn: "[! ]", state.Note: "[i ]", state.Good: "[ok]"}

// legend says what the marks mean, where there is room for all of a screen.
const legend = "[!!] act now   [! ] have a look   [i ] to know   [ok] as promised"

// lines are those of a screen that is being written.
type lines struct {
	Screen
	all []string
}

// Text writes a state. Whoever reads it sees first what is wrong.
func (s Screen) Text(of state.State) string {
	l := &lines{Screen: s}
	l.headline(of)
	for _, one := range of.Streams {
		l.stream(one, of)
	}
	for _, t := range of.Tables {
		l.table(t, of)
	}
	l.servers(of)
	l.programs(of)
	l.all = append(l.all, "", l.cut("  "+legend))
	if s.Height > 0 && len(l.all) > s.Height {
		l.all = append(l.all[:s.Height-1], l.cut(fmt.Sprintf("… %d more lines; the page and --once have all of it", len(l.all)-s.Height+1)))
	}
	return strings.Join(l.all, "\n") + "\n"
}

// Stale writes a state that is not how things are now, since nobody answers, and why. It
// is empty if nobody ever did.
func (s Screen) Stale(last state.State, why error) string {
	l := &lines{Screen: s}
	if last.At.IsZero() {
		l.say(state.Warn, why.Error())
		return strings.Join(l.all, "\n") + "\n"
	}
	l.say(state.Warn, fmt.Sprintf("Stale since %s UTC: %v", last.At.Format("15:04:05"), why))
	l.all = append(l.all, "")
	if s.Height > 0 {
		s.Height = max(2, s.Height-len(l.all))
	}
	return strings.Join(l.all, "\n") + "\n" + s.Text(last)
}

// line writes one, without colour.
func (l *lines) line(format string, args ...any) {
	l.all = append(l.all, l.cut(strings.TrimRight(fmt.Sprintf(format, args...), " ")))
}

// painted writes one in a colour.
func (l *lines) painted(colour, text string) {
	text = l.cut(text)
	if l.Colour && colour != "" {
		text = "\x1b[" + colour + "m" + text + "\x1b[0m"
	}
	l.all = append(l.all, text)
}

// heading begins a part.
func (l *lines) heading(text string) {
	l.all = append(l.all, "")
	l.painted("1", text)
}

// named writes a line with its name in front, on as many lines as it takes.
func (l *lines) named(name, text string) {
	const indent = 15
	room := 1 << 30
	if l.Width > 0 {
		room = max(20, l.Width-indent)
	}
	for i, part := range wrapped(text, room) {
		if i > 0 {
			name = ""
		}
		l.line("  %-*s%s", indent-2, name, part)
	}
}

func (l *lines) cut(text string) string {
	if l.Width <= 0 || utf8.RuneCountInString(text) <= l.Width {
		return text
	}
	return string([]rune(text)[:max(1, l.Width-1)]) + "…"
}

// wrapped breaks text into lines of at most so many runes, between words where it can.
func wrapped(text string, room int) []string {
	var all []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room:
			all, line = append(all, line), word
		default:
			line += " " + word
		}
	}
	return append(all, line)
}

func (l *lines) headline(of state.State) {
	first := true
	l.say(of.Headline.Level, of.Headline.Text+".")
	for _, f := range of.Findings {
		if first && f.Level != state.Note {
			first = false
		} else {
			what := f.What
			if f.Of != "" {
				what = f.Of + ": " + what
			}
			l.say(f.Level, what+".")
		}
		l.named("why", f.Why)
		l.named("do", f.Do)
		if f.Runbook != "" {
			where := f.Runbook
			if l.Runbooks != "" {
				where += " (" + l.Runbooks + f.Runbook + ")"
			}
			l.named("runbook", where)
		}
	}
}

// say writes a sentence with its level, on as many lines as it takes.
func (l *lines) say(level state.Level, text string) {
	room := 1 << 30
	if l.Width > 0 {
		room = max(20, l.Width-5)
	}
	for i, part := range wrapped(text, room) {
		mark := marks[level]
		if i > 0 {
			mark = "    "
		}
		l.painted("1;"+colours[level], mark+" "+part)
	}
}
