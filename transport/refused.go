package transport

// Refused is the error of a program and a server that do not let each other in: one
// of them does not trust the other, or a secret is wrong. Its text says what a
// person has to change. A program that starts ends with it; one that runs has been
// let in before.
type Refused struct {
	Err error
	// Renewable: what was refused is read anew with every attempt, from a file that
	// may be about to be replaced, or it is the server's own to renew.
	Renewable bool
}

// Error implements error.
func (r *Refused) Error() string { return r.Err.Error() }

// Unwrap returns what the server, or its certificate, said.
func (r *Refused) Unwrap() error { return r.Err }
