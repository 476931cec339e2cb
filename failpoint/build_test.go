package failpoint_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/failpoint"
)

// The program under test says how far it has come: past one place twice, past
// another once, and whether tokens are off.
const program = `package main

import (
	"fmt"

	"penstock/failpoint"
)

func main() {
	fmt.Println("token", failpoint.Off("token"))
	for i := range 2 {
		failpoint.At("insert.before")
		fmt.Println("insert", i)
		failpoint.At("insert.after")
	}
	fmt.Println("end")
}
`

// build builds it with tags.
func build(t *testing.T, tags string) string {
	t.Helper()
	dir, err := os.MkdirTemp(".", "_program-") // in the module, and not one of its packages
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	source, path := filepath.Join(dir, "main.go"), filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("go", "build", "-tags", tags, "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return path
}

// run returns what the program said and how it ended: its exit status, or the
// signal it died of.
func run(t *testing.T, path string, env ...string) (out, errs string, status int, died syscall.Signal) {
	t.Helper()
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ended := cmd.ProcessState.Sys().(syscall.WaitStatus); ended.Signaled() {
		died = ended.Signal()
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), died
}

func TestBuilds(t *testing.T) {
	with, without := build(t, "failpoints"), build(t, "")
	const all = "token false\ninsert 0\ninsert 1\nend\n"
	f := func(name, path string, env []string, want string, said string, wantStatus int, wantDied syscall.Signal) {
		t.Helper()
		out, errs, status, died := run(t, path, env...)
		if out != want || !strings.Contains(errs, said) || (said == "") != (errs == "") || status != wantStatus || died != wantDied {
			t.Errorf("%s: said %q and %q, status %d, signal %v", name, out, errs, status, died)
		}
	}
	f("nothing asked for", with, nil, all, "", 0, 0)
	f("before", with, []string{"PENSTOCK_FAILPOINT=insert.before"}, "token false\n", "failpoint: insert.before\n", -1, syscall.SIGKILL)
	f("after", with, []string{"PENSTOCK_FAILPOINT=insert.after"}, "token false\ninsert 0\n", "failpoint: insert.after\n", -1, syscall.SIGKILL)
	f("the second time", with, []string{"PENSTOCK_FAILPOINT=insert.after:2"}, "token false\ninsert 0\ninsert 1\n", "failpoint: insert.after\n", -1, syscall.SIGKILL)
	f("a time that does not come", with, []string{"PENSTOCK_FAILPOINT=insert.after:3"}, all, "", 0, 0)
	f("another place", with, []string{"PENSTOCK_FAILPOINT=seal.after"}, all, "", 0, 0)
	f("no such place", with, []string{"PENSTOCK_FAILPOINT=insert.during"}, "", `names "insert.during"`, 2, 0)
	f("no tokens", with, []string{"PENSTOCK_WITHOUT=token"}, strings.Replace(all, "false", "true", 1), "", 0, 0)
	f("no such mechanism", with, []string{"PENSTOCK_WITHOUT=luck"}, "", `names "luck"`, 2, 0)
	f("in production", without, []string{"PENSTOCK_FAILPOINT=insert.before", "PENSTOCK_WITHOUT=token"}, all, "", 0, 0)
}

// A program that is delayed at a place goes on by itself, each time; one in
// production has never heard of it, and does not even have the word.
func TestDelay(t *testing.T) {
	const asked = "PENSTOCK_FAILPOINT=insert.before:*2=2s"
	f := func(tags string, said string, least, most time.Duration) {
		t.Helper()
		path := build(t, tags)
		began := time.Now()
		out, errs, status, _ := run(t, path, asked)
		if took := time.Since(began); out != "token false\ninsert 0\ninsert 1\nend\n" || errs != said || status != 0 || took < least || took > most {
			t.Errorf("built with %q: said %q and %q, status %d after %v", tags, out, errs, status, took)
		}
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if has := bytes.Contains(program, []byte(failpoint.FailpointVariable)); has != (tags != "") {
			t.Errorf("built with %q: that it knows of the variable is %v", tags, has)
		}
	}
	f("failpoints", "failpoint: insert.before\n", 2*time.Second, time.Minute)
	f("", "", 0, 1900*time.Millisecond)
}

// A program that is stopped at a place goes on from there when it is told to.
func TestStop(t *testing.T) {
	path := build(t, "failpoints")
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env, cmd.Stdout = append(os.Environ(), "PENSTOCK_FAILPOINT=insert.after=stop"), out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(out.Name()); err != nil || string(got) != want {
			t.Errorf("it said %q, %v; want %q", got, err, want)
		}
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("it is not stopped: %v, %v", status, err)
	}
	said("token false\ninsert 0\n")
	if err := errors.Join(cmd.Process.Signal(syscall.SIGCONT), cmd.Wait(), out.Close()); err != nil {
		t.Error(err)
	}
	said("token false\ninsert 0\ninsert 1\nend\n")
}
