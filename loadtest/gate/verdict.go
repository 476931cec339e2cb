package gate

import "errors"

// ErrFailed is the error of a program whose report says that an objective does
// not hold. Its exit status is 1.
var ErrFailed = errors.New("the load test has failed")

// Unjudged is the error of a program that could not come to a verdict: a fault of
// the set-up, which says nothing of what was to be tried. Its exit status is 2.
type Unjudged struct{ Err error }

func (u Unjudged) Error() string { return "no verdict: " + u.Err.Error() }

// Unwrap returns what happened.
func (u Unjudged) Unwrap() error { return u.Err }

// ExitStatus is that of a program which ends with err: 0 for none, 2 for one that
// is [Unjudged], and 1 for all others.
func ExitStatus(err error) int {
	var u Unjudged
	switch {
	case err == nil:
		return 0
	case errors.As(err, &u):
		return 2
	}
	return 1
}

// Err is nil if the report has passed, and [ErrFailed] if not.
func (r Report) Err() error {
	if r.Passed {
		return nil
	}
	return ErrFailed
}
