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

// point is a fault and how often its place was come by.
type point struct {
	fault
	hits atomic.Int64
}

// due counts a hit and tells whether it is one that was asked for.
func (p *point) due() bool {
	n := p.hits.Add(1)
	return n == p.hit || p.every && n%p.hit == 0
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
		points[name] = &point{fault: f}
	}
	return points, off
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "failpoint:", err)
	os.Exit(2)
}

// At kills the process with SIGKILL, as the kernel would, stops it with SIGSTOP,
// or sleeps, if this is a hit of the failpoint name that was asked for. An unknown
// name panics.
func At(name string) {
	p := points[name]
	if p == nil {
		if !slices.Contains(known(), name) {
			panic(fmt.Sprintf("BUG: no program has a failpoint %q", name))
		}
		return
	}
	if !p.due() {
		return
	}
	// The line is written before the signal and unbuffered: it is the proof
	// that the process ended here and of nothing else.
	fmt.Fprintf(os.Stderr, "failpoint: %s\n", name)
	if p.delay > 0 {
		time.Sleep(p.delay)
		return
	}
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
