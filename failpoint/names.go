package failpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// FailpointVariable and WithoutVariable are the variables of the environment
// that a program built with the tag reads.
const (
	FailpointVariable = "PENSTOCK_FAILPOINT"
	WithoutVariable   = "PENSTOCK_WITHOUT"
)

// Ingest returns the places a node can be killed at: before and after each
// step of a batch's life, of an assignment's, and of dead letters'.
func Ingest() []string {
	return around("seal", "intent", "insert", "confirm", "rebuild", "letters", "settle")
}

// Compactor returns the places a compactor can be killed at, in the order a day
// comes by them: before and after what is changed by one statement, and between
// two that belong together.
func Compactor() []string {
	return []string{
		"lease.taken", "lease.renewed",
		"view.before",                                // prepared, and the lease confirmed
		"moving.before", "move.before", "move.after", // the view that minds the move, and the move
		"file.after", "verify.before", "verify.after", "publish.before", "publish.after",
		"cutover.before", "cutover.shown", "cutover.after", // the view, and the version that says so
		"drop.before", "drop.part", "drop.after", "expired.after", // the drop, one of its parts, and the version that says so
		"merge.before", "merge.after", // the version that lists the merged file, before the view does
	}
}

// around names the place before and the one after each step.
func around(steps ...string) (names []string) {
	for _, step := range steps {
		names = append(names, step+".before", step+".after")
	}
	return names
}

// known are the places of all programs.
func known() []string { return append(Ingest(), Compactor()...) }

// Mechanisms returns what can be switched off.
func Mechanisms() []string {
	return []string{"intent", "token", "receipts", "epoch", "fence", "claim"}
}

// fault is what happens at a place, and when.
type fault struct {
	hit    int64 // counted from 1
	every  bool  // at all multiples of hit
	signal syscall.Signal
	delay  time.Duration // instead of a signal
}

// parsePoints reads "insert.after:3,drop.before=stop,insert.before:*20=5s" as
// faults by name.
func parsePoints(s string) (map[string]fault, error) {
	points := map[string]fault{}
	for _, one := range list(s) {
		f := fault{hit: 1, signal: syscall.SIGKILL}
		at, action, acts := strings.Cut(one, "=")
		if acts {
			var err error
			if f.signal, f.delay, err = parseAction(action); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", FailpointVariable, one, err)
			}
		}
		name, count, counted := strings.Cut(at, ":")
		if !slices.Contains(known(), name) {
			return nil, fmt.Errorf("%s names %q; known are %s", FailpointVariable, name, strings.Join(known(), " "))
		}
		if counted {
			var err error
			count, f.every = strings.CutPrefix(count, "*")
			if f.hit, err = strconv.ParseInt(count, 10, 64); err != nil || f.hit < 1 {
				return nil, fmt.Errorf("%s: %q is not a hit; write %s:n with n from 1, or %s:*n for every n-th", FailpointVariable, one, name, name)
			}
		}
		points[name] = f
	}
	return points, nil
}

// parseAction reads what happens at a place: it is frozen, or delayed.
func parseAction(s string) (syscall.Signal, time.Duration, error) {
	if s == "stop" {
		return syscall.SIGSTOP, 0, nil
	}
	delay, err := time.ParseDuration(s)
	if err != nil || delay <= 0 {
		return 0, 0, fmt.Errorf("%q is no action; write stop, a duration such as 5s, or nothing to kill", s)
	}
	return 0, delay, nil
}

// parseMechanisms reads "token,fence".
func parseMechanisms(s string) (map[string]bool, error) {
	off := map[string]bool{}
	for _, name := range list(s) {
		if !slices.Contains(Mechanisms(), name) {
			return nil, fmt.Errorf("%s names %q; known are %s", WithoutVariable, name, strings.Join(Mechanisms(), " "))
		}
		off[name] = true
	}
	return off, nil
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
