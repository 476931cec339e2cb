package ops

import (
	"cmp"
	"runtime/debug"
)

// release is set by the linker where a release is built:
// -X penstock/ops.release=v1.2.3.
var release string

// Version returns the release that the program is of, or else what Go knows of its
// source: the commit, and whether something was changed since.
func Version() string {
	source := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		source = info.Main.Version
	}
	return cmp.Or(release, source)
}
