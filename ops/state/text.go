package state

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible returns text that somebody else wrote as it may be shown: nothing in it
// moves a cursor, ends a line, hides what follows or turns the direction of writing.
// It is cut to most bytes.
func visible(text string, most int) string {
	var b strings.Builder
	for i, r := range text {
		one := string(r)
		switch {
		case r == utf8.RuneError:
			one = "\uFFFD"
		case !unicode.IsPrint(r): // also spaces other than ' ', and what is of no width
			one = fmt.Sprintf("\\u%04x", r)
		}
		if b.Len()+len(one) > most {
			return b.String() + fmt.Sprintf("… (%d bytes more)", len(text)-i)
		}
		b.WriteString(one)
	}
	return b.String()
}
