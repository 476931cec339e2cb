//go:build !failpoints

package failpoint

// At does nothing in this build.
func At(string) {}

// Off is false in this build.
func Off(string) bool { return false }
