package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests' children are sh: it is on every Unix, traps signals and says what
// it is told.
func start(t *testing.T, script string, stopTimeout time.Duration) *Process {
	t.Helper()
	p, err := Start(Spec{
		Name:        "test child",
		Args:        []string{"sh", "-c", script},
		Log:         filepath.Join(t.TempDir(), "logs", "child.log"),
		StopTimeout: stopTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// ready waits until the child has written a line: its trap is set by then.
func ready(t *testing.T, p *Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := p.Await(ctx, func(context.Context) error {
		log, err := os.ReadFile(p.spec.Log)
		if err == nil && len(log) == 0 {
			return errors.New("it has said nothing yet")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStopIsOrderly(t *testing.T) {
	p := start(t, `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done`, 10*time.Second)
	ready(t, p)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("an end that was asked for is an error: %v", err)
	}
	log, err := Tail(p.spec.Log, 5)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log, "bye") {
		t.Errorf("the child was not given the time to end by itself; its log:\n%s", log)
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	p := start(t, `trap '' TERM; echo deaf; while :; do sleep 0.05; done`, 200*time.Millisecond)
	ready(t, p)
	err := p.Stop()
	if err == nil || !strings.Contains(err.Error(), "was killed") || !strings.Contains(err.Error(), "deaf") {
		t.Errorf("want an error that says it was killed and shows the log, got %v", err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("the child still runs")
	}
}

func TestErrShowsTheLastWords(t *testing.T) {
	p := start(t, `echo port 9092 is taken >&2; exit 3`, 0)
	<-p.Done()
	err := p.Err()
	if err == nil {
		t.Fatal("a child that ended by itself left no error")
	}
	for _, want := range []string{"exit status 3", "port 9092 is taken", p.spec.Log} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

func TestAwaitNamesWhatItWaitedFor(t *testing.T) {
	p := start(t, `echo thinking; sleep 60`, 0)
	ready(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := p.Await(ctx, func(context.Context) error { return errors.New("port 1 refuses") })
	if err == nil || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "port 1 refuses") || !strings.Contains(err.Error(), "thinking") {
		t.Errorf("want the deadline, the probe's error and the log, got %v", err)
	}
}

// TestDiesWithItsParent starts this test binary as a parent of its own, kills
// it with SIGKILL and looks whether the grandchild is gone.
func TestDiesWithItsParent(t *testing.T) {
	if dir := os.Getenv("CHILD_TEST_PARENT"); dir != "" {
		p, err := Start(Spec{Name: "grandchild", Args: []string{"sleep", "600"}, Log: filepath.Join(dir, "log")})
		if err != nil {
			t.Fatal(err)
		}
		pid := []byte(strconv.Itoa(p.Pid()))
		if err := os.WriteFile(filepath.Join(dir, "pid.tmp"), pid, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "pid.tmp"), filepath.Join(dir, "pid")); err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		return
	}
	dir := t.TempDir()
	parent := exec.Command(os.Args[0], "-test.run=^TestDiesWithItsParent$")
	parent.Env = append(os.Environ(), "CHILD_TEST_PARENT="+dir)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	eventually(t, "the grandchild's pid", func() error {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil {
			return err
		}
		pid, err = strconv.Atoi(string(text))
		return err
	})
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent was killed and still ended well")
	}
	eventually(t, "the grandchild's end", func() error {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			return errors.Join(fmt.Errorf("pid %d is still there", pid), err)
		}
		return nil
	})
}

func eventually(t *testing.T, what string, cond func() error) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		err := cond()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("no %s within 10 s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAwaitCancelledBlamesNobody(t *testing.T) {
	p := start(t, `echo thinking; sleep 60`, 0)
	ready(t, p)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupt signal received"))
	err := p.Await(ctx, func(context.Context) error { return errors.New("port 1 refuses") })
	if err == nil || err.Error() != "wait for test child: interrupt signal received" {
		t.Errorf("got %v", err)
	}
}

func TestTail(t *testing.T) {
	f := func(content string, n int, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Tail(path, n)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("Tail(%q, %d) = %q, want %q", content, n, got, want)
		}
	}
	f("", 3, "  | ")
	f("a\nb\n", 3, "  | a\n  | b")
	f("a\nb\nc", 2, "  | b\n  | c")
	f(strings.Repeat("x", 70<<10)+"\nend\n", 1, "  | end")
}
