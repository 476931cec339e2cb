package state

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Runbooks, served at /runbooks/ID.
const (
	bookLag      = "lag-grows-cpu-low"
	bookParts    = "freshness-worse-parts-grow"
	bookHot      = "hot-partition"
	bookRejects  = "dlq-fills"
	bookReadOnly = "clickhouse-readonly"
	bookOffset   = "offset-out-of-range"
	bookDisk     = "disk-full"
	bookS3       = "s3-refuses"
	bookIntent   = "stuck-intent"
	bookDeploy   = "bad-deploy"
	bookCPU      = "lag-grows-cpu-high"
	bookCanary   = "canary-late"
	bookColdLate = "cold-day-late"
	bookMemory   = "node-memory"
)

// Judged returns the state with what is to be said of it.
func (s State) Judged() State {
	s.Findings = Diagnose(s)
	s.Headline = headline(s)
	return s
}

// Diagnose says what is not as it should be, the worst first, and of what is as bad
// the cause before its effects. It is a pure function of the state.
func Diagnose(s State) []Finding {
	all := []Finding{}
	for _, one := range s.Streams {
		all = append(all, s.ofStream(one)...)
	}
	// What is seen from outside matters where the nodes do not say it themselves: they
	// may all be gone.
	all = append(all, s.ofServers(all)...)
	for _, t := range s.Tables {
		all = append(all, s.ofTable(t, found(all, "clickhouse"))...)
	}
	all = append(all, s.ofPrograms(all)...)
	all = append(all, s.ofDays()...)
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(rank(a.Level), rank(b.Level)) })
	return all
}

// rank orders levels, the worst first.
func rank(l Level) int { return slices.Index([]Level{Bad, Warn, Note, Good}, l) }

// found reports whether there is a finding of one of these kinds.
func found(all []Finding, ids ...string) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return slices.Contains(ids, f.ID) })
}

// headline says in one sentence how things are.
func headline(s State) Headline {
	if len(s.Findings) > 0 && s.Findings[0].Level != Note {
		f := s.Findings[0]
		text := f.What
		if f.Of != "" && (len(s.Streams) > 1 || len(s.Tables) > 1) {
			text = f.Of + ": " + text
		}
		return Headline{f.Level, text}
	}
	var stored float64
	var p99 *float64
	for _, one := range s.Streams {
		stored += one.Rates.Stored
		p99 = worst(p99, one.Freshness.P99)
	}
	switch {
	case len(s.Streams) == 0 && len(s.Tables) > 0:
		return Headline{Good, "All is well: every day is where it belongs, or on its way"}
	case len(s.Streams) == 0:
		return Headline{Note, "Nothing is known: no program that was asked does anything yet"}
	case stored == 0 || p99 == nil:
		return Headline{Good, "All is well: nothing arrives, and nothing waits"}
	}
	return Headline{Good, fmt.Sprintf("All is well: %s events/s are queryable after %s (p99)", Count(stored), Seconds(*p99))}
}

// lasts reports whether something that began then has gone on for long enough.
func (s State) lasts(since time.Time, least time.Duration) bool {
	return !since.IsZero() && s.At.Sub(since) >= least
}
