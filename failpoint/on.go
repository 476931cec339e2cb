//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// point counts hits down: the one that reaches 0 is the one.
type point struct {
	left   atomic.Int64
	signal syscall.Signal
}

var points, without = load()

func load() (map[string]*point, map[string]bool) {
	armed, err := parsePoints(os.Getenv(FailpointVariable))
	if err != nil {
		fatal(err)
	}
	off, err := parseMechanisms(os.Getenv(WithoutVariable))
	if err != nil {
		fatal(err)
	}
	points := map[string]*point{}
	for name, f := range armed {
		points[name] = &point{signal: f.signal}
		points[name].left.Store(f.hit)
	}
	return points, off
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "failpoint:", err)
	os.Exit(2)
}

// At kills the process with SIGKILL, as the kernel would, or stops it with
// SIGSTOP, if this is the hit of the failpoint name that was asked for. An
// unknown name panics.
func At(name string) {
	p := points[name]
	if p == nil {
		if !slices.Contains(known(), name) {
			panic(fmt.Sprintf("BUG: no program has a failpoint %q", name))
		}
		return
	}
	if p.left.Add(-1) != 0 {
		return
	}
	// The line is written before the signal and unbuffered: it is the proof
	// that the process ended here and of nothing else.
	fmt.Fprintf(os.Stderr, "failpoint: %s\n", name)
	if err := syscall.Kill(os.Getpid(), p.signal); err != nil {
		fatal(err)
	}
	// Nothing after the point may run until the signal is delivered, to whichever
	// thread.
	if p.signal == syscall.SIGKILL {
		select {}
	}
	time.Sleep(100 * time.Millisecond)
}

// Off reports whether the mechanism is switched off. An unknown name panics.
func Off(mechanism string) bool {
	if !slices.Contains(Mechanisms(), mechanism) {
		panic(fmt.Sprintf("BUG: mechanism %q is not in failpoint.Mechanisms", mechanism))
	}
	return without[mechanism]
}
