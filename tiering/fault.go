package tiering

import (
	"errors"
	"fmt"

	"penstock/schema"
)

// Damage is the kind of a fault.
type Damage string

// The kinds of damage that a verification finds.
const (
	Missing    Damage = "missing"    // the object is not there
	OtherSize  Damage = "size"       // it has another number of bytes
	OtherBytes Damage = "bytes"      // it has other bytes, by its SHA-256
	Unreadable Damage = "unreadable" // it is no Parquet file of the columns the manifest lists
	OtherRows  Damage = "rows"       // it has another number of rows
	OtherValue Damage = "values"     // the checksum of a column is another
	Miscounted Damage = "counts"     // numbers of one manifest contradict each other
	NotSealed  Damage = "sealed"     // the sealed partition is not what the manifest says
)

// Fault is something of the cold tier that is not what a manifest says.
type Fault struct {
	Day string `json:"day"`
	// File is its key; empty for a fault of the day.
	File   string `json:"file,omitempty"`
	Damage Damage `json:"fault"`
	Detail string `json:"detail"`
	cause  error  // nil if nothing but the comparison says so
}

// ofDay returns a fault of a whole day.
func ofDay(day schema.Day, damage Damage, format string, args ...any) error {
	return &Fault{Day: day.String(), Damage: damage, Detail: fmt.Sprintf(format, args...)}
}

// Error names the file, or the day.
func (f *Fault) Error() string {
	if f.File == "" {
		return fmt.Sprintf("day %s: %s", f.Day, f.Detail)
	}
	return f.File + ": " + f.Detail
}

// Unwrap returns the error by which the fault was found, if there is one.
func (f *Fault) Unwrap() error { return f.cause }

// Faults returns all faults that are in an error, and an error of the rest: what
// kept a verification from finding more; nil if nothing did.
func Faults(err error) (faults []*Fault, rest error) {
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case nil:
		return nil, nil
	case *Fault:
		return []*Fault{e}, nil
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			more, left := Faults(one)
			faults, rest = append(faults, more...), errors.Join(rest, left)
		}
		return faults, rest
	case interface{ Unwrap() error }:
		if faults, rest = Faults(e.Unwrap()); len(faults) > 0 {
			return faults, rest
		}
	}
	return nil, err
}
