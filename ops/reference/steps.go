package reference

import (
	"bufio"
	"fmt"
	"regexp"
	"strings"

	"penstock/ops/runbooks"
)

// Step is one command of a runbook.
type Step struct {
	Runbook string
	Section string // See, Mend or Check
	// Language is sh or sql.
	Language string
	// Text is a command line, or a statement without its semicolon.
	Text string
}

// Steps returns the commands of a runbook, in their order.
func Steps(r runbooks.Runbook) (all []Step, err error) {
	lines := bufio.NewScanner(strings.NewReader(r.Text))
	section, language := "", ""
	for lines.Scan() {
		line := lines.Text()
		fence, fenced := strings.CutPrefix(line, "```")
		switch {
		case fenced && language == "":
			if fence != "sh" && fence != "sql" {
				return nil, fmt.Errorf("%s: a block of commands is %q; want sh or sql", r.ID, fence)
			}
			language = fence
		case fenced:
			language = ""
		case language == "" && strings.HasPrefix(line, "## "):
			section = strings.TrimPrefix(line, "## ")
		case language != "" && strings.TrimSpace(line) != "":
			all = append(all, Step{Runbook: r.ID, Section: section, Language: language, Text: strings.TrimSuffix(strings.TrimSpace(line), ";")})
		}
	}
	return all, lines.Err()
}

// AllSteps returns those of every runbook.
func AllSteps() (all []Step, err error) {
	for _, r := range runbooks.All() {
		steps, err := Steps(r)
		if err != nil {
			return nil, err
		}
		all = append(all, steps...)
	}
	return all, nil
}

// Args returns the words of a command line, as a shell would, up to what it is
// piped into. There is no more of a shell in runbooks than quotes and pipes.
func (s Step) Args() (words []string) {
	var word strings.Builder
	quote, open := rune(0), false
	end := func() {
		if open {
			words = append(words, word.String())
		}
		word.Reset()
		open = false
	}
	for _, c := range s.Text {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, open = c, true
		case quote == 0 && c == '|':
			end()
			return words
		case quote == 0 && c == ' ':
			end()
		default:
			word.WriteRune(c)
			open = true
		}
	}
	end()
	return words
}

// setting is the full name of one, as texts have it.
var setting = regexp.MustCompile("`([a-z0-9_]+(?:\\.[a-z0-9_]+)+)`")

// Settings returns those that a runbook's text names by their section and key. Tables
// of ClickHouse's system are no settings.
func Settings(r runbooks.Runbook) (all []string) {
	for _, m := range setting.FindAllStringSubmatch(r.Text, -1) {
		if !strings.HasPrefix(m[1], "system.") {
			all = append(all, m[1])
		}
	}
	return all
}
