// Package child runs the programs a stack is made of as child processes.
//
// A Process is started once, writes all it says to one log file, and ends in
// exactly one of three ways: it is asked to stop (SIGTERM, and SIGKILL after a
// deadline), it is killed, or it dies by itself; Done is closed in each. It
// never outlives its parent: on Linux the kernel kills it when the parent dies,
// so that an aborted run leaves no broker behind. Restarting is the caller's
// matter: a new Process from the same Spec.
package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec says how to start a process.
type Spec struct {
	// Name is what errors call it.
	Name string
	// Args is the command and its arguments.
	Args []string
	// Env is added to the parent's environment.
	Env []string
	// Dir is the working directory; empty means the parent's.
	Dir string
	// Log is the file standard output and error are appended to.
	Log string
	// Show, if set, gets them instead: a terminal that the program draws its
	// progress on. Log stays empty.
	Show *os.File
	// StopTimeout is how long Stop waits after SIGTERM before it kills.
	// Default 10 s: a broker needs 1-3 s to write its clean-shutdown mark, and
	// nobody waits longer than this for a ^C.
	StopTimeout time.Duration
}

// Process is a started program.
type Process struct {
	spec Spec
	pid  int
	done chan struct{}
	// err is what the program ended with; it is written before done is closed
	// and read only after.
	err error
	// used is the CPU time it took; as err.
	used time.Duration

	mu sync.Mutex
	// wanted is set once the end was asked for, so that Err can tell an end
	// that was meant from one that was not.
	wanted bool
}

// Start starts the program and returns as soon as it runs; it does not wait
// until the program is of use, which is what Await is for.
func Start(spec Spec) (*Process, error) {
	if spec.StopTimeout == 0 {
		spec.StopTimeout = 10 * time.Second
	}
	if err := os.MkdirAll(filepath.Dir(spec.Log), 0o755); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: open its log: %w", spec.Name, err)
	}
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Dir = spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	if spec.Show != nil {
		cmd.Stdout, cmd.Stderr = spec.Show, spec.Show
	}
	cmd.SysProcAttr = attributes()

	p := &Process{spec: spec, done: make(chan struct{})}
	started := make(chan error)
	// The goroutine that starts the process keeps its thread until the process
	// has ended: the kernel's parent-death signal is tied to the thread that
	// forked, and the runtime may end a thread at any time otherwise.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		if err != nil {
			started <- errors.Join(err, log.Close())
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = errors.Join(cmd.Wait(), log.Close())
		p.used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

// Pid is the process id, also after its end.
func (p *Process) Pid() int { return p.pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// CPU is the CPU time the process took, known once it has ended.
func (p *Process) CPU() time.Duration {
	select {
	case <-p.done:
		return p.used
	default:
		return 0
	}
}

// Err is nil while the process runs and after an end that was asked for with
// Stop or Kill; otherwise it says how the process ended and what it said last.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted {
		return nil
	}
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s (pid %d) ended by itself: %s\n%s", p.spec.Name, p.pid, how, p.lastWords())
}

// Wait waits for the end of a program that is meant to end by itself. It
// returns nil for exit status 0. When ctx ends first, the program is stopped.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), p.Stop())
	}
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n%s", p.spec.Name, p.err, p.lastWords())
}

// Await calls ready every 50 ms until it returns nil. It fails as soon as the
// process ends, and when ctx ends; if that is for its deadline, the error holds
// ready's last one and the tail of the log.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last := ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-p.done:
			if err := p.Err(); err != nil {
				return err
			}
			return fmt.Errorf("%s was stopped before it was ready", p.spec.Name)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				// Nobody waits any longer; that is no fault of the process.
				return fmt.Errorf("wait for %s: %w", p.spec.Name, context.Cause(ctx))
			}
			return fmt.Errorf("%s (pid %d) is not ready: %w: %w\n%s",
				p.spec.Name, p.pid, context.Cause(ctx), last, p.lastWords())
		case <-tick.C:
		}
	}
}

// Stop asks the process to end and waits for it. A process that has not ended
// after the Spec's StopTimeout is killed, and that is an error: whatever it
// should have written last is not written.
func (p *Process) Stop() error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	timeout := time.NewTimer(p.spec.StopTimeout)
	defer timeout.Stop()
	select {
	case <-p.done:
		return nil
	case <-timeout.C:
	}
	return errors.Join(
		fmt.Errorf("%s (pid %d) did not stop within %v of SIGTERM and was killed\n%s",
			p.spec.Name, p.pid, p.spec.StopTimeout, p.lastWords()),
		p.Kill())
}

// Kill ends the process as a power cut would (SIGKILL) and waits for it.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// signal does nothing if the process has ended already: its id may be another
// process's by now.
func (p *Process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return nil
	default:
	}
	p.wanted = true
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %v to %s (pid %d): %w", sig, p.spec.Name, p.pid, err)
	}
	return nil
}

// lastWords is the part of the log that usually holds the reason.
func (p *Process) lastWords() string {
	if p.spec.Show != nil {
		return "what it said is above"
	}
	tail, err := Tail(p.spec.Log, 15)
	if err != nil {
		return fmt.Sprintf("its log %s cannot be read: %v", p.spec.Log, err)
	}
	return fmt.Sprintf("the last lines of %s:\n%s", p.spec.Log, tail)
}

// Tail returns the last n lines of a file, reading at most its last 64 KiB.
func Tail(path string, n int) (tail string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	const window = 64 << 10
	buf := make([]byte, min(info.Size(), window))
	read, err := f.ReadAt(buf, info.Size()-int64(len(buf)))
	if err != nil && read < len(buf) {
		return "", err
	}
	lines := strings.Split(strings.TrimRight(string(buf), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return "  | " + strings.Join(lines, "\n  | "), nil
}
