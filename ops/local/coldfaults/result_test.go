package coldfaults

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A run fails by anything that is not as it has to be, and by a fault that did
// not happen.
func TestResult(t *testing.T) {
	good := func() *outcome {
		o := &outcome{Round: Round{Number: 1, Scenario: Failpoints, Points: []string{"move.before", "move.before"}}, Stored: 100, fired: map[string]int{}}
		o.fire("move.before")
		o.fire("move.before")
		o.looked(time.Time{}, time.Millisecond, time.Second, verdict{})
		return o
	}
	f := func(name, want string, change func(*outcome)) {
		t.Helper()
		o := good()
		change(o)
		r := newResult(Config{Seed: 7}, []*outcome{good(), o}, time.Minute)
		err := r.fault()
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error()+strings.Join(r.Findings, " "), want) {
			t.Errorf("%s: %v, %q; want %q", name, err, r.Findings, want)
		}
	}
	f("all well", "", func(*outcome) {})
	f("a row lost", "1 of 2 rounds found something: missing 3, duplicated 0; seed 7", func(o *outcome) {
		o.looked(time.Time{}, time.Millisecond, time.Second, verdict{Missing: 3, Findings: []string{"batch 1: 3 of 10 rows are missing"}})
	})
	f("content changed, and no row lost", "r01-failpoints: look at", func(o *outcome) {
		o.looked(time.Time{}, time.Millisecond, time.Second, verdict{Findings: []string{"the columns' hash is 1"}})
	})
	f("a look that was longer than anything is promised for", "", func(o *outcome) {
		o.looked(time.Time{}, time.Hour, time.Second, verdict{Missing: 3, Findings: []string{"3 rows"}})
	})
	f("the view gave no answer", "the view gave no answer: refused", func(o *outcome) { o.blind(errors.New("refused"), false) })
	f("the view gave no answer, and could not", "", func(o *outcome) { o.blind(errors.New("refused"), true) })
	f("not run to its end", "not run to its end: stack is gone", func(o *outcome) { o.Err = errors.New("stack is gone") })

	var table strings.Builder
	r := newResult(Config{Seed: 7}, []*outcome{good(), good()}, time.Minute)
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if r.Faults != 4 || r.Looks != 2 || r.Scenarios[Failpoints].Fired["move.before"] != 4 || !strings.Contains(table.String(), "failpoints       2       4   200") {
		t.Errorf("%+v\n%s", r, table.String())
	}
}
