package clickhouse

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// dataVariable makes the test binary a server on that data folder: libchdb
// allows one engine a process, and a process can be killed.
const dataVariable = "PENSTOCK_TEST_CLICKHOUSE_DATA"

// discardVariable, if set, makes it one that discards what is inserted.
const discardVariable = "PENSTOCK_TEST_CLICKHOUSE_DISCARD"

// serveChild serves until SIGTERM, as the local command does.
func serveChild(lib, data string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := Serve(ctx, Config{
		Lib: lib, Path: data, TCP: "127.0.0.1:0", HTTP: "127.0.0.1:0", User: user, Password: password,
		DiscardInserts: os.Getenv(discardVariable) != "",
	}, func(tcp, http net.Addr) { fmt.Println(tcp, http) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startProcess starts a server of its own on data and returns a client of it.
func startProcess(t *testing.T, data string) (*exec.Cmd, driver.Conn) {
	t.Helper()
	cmd, tcp, _ := startServer(t, data)
	return cmd, open(t, driver.Native, driver.CompressionLZ4, func(o *driver.Options) { o.Addr = []string{tcp} })
}

// startServer starts a server of its own on data and returns its addresses.
func startServer(t *testing.T, data string, env ...string) (_ *exec.Cmd, tcp, http string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), dataVariable+"="+data), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // unless the test has ended it
	if _, err := fmt.Fscanln(out, &tcp, &http); err != nil {
		t.Fatal("the server did not come up:", err)
	}
	return cmd, tcp, http
}

// What was acknowledged is there after kill -9, and so are its tokens.
func TestKilled(t *testing.T) {
	data := t.TempDir()
	cmd, db := startProcess(t, data)
	createDays(t, db)
	insertBlocks(t, db, "a", numbers{[]int{1}, 0, 1000})
	insertBlocks(t, db, "b", numbers{[]int{2}, 0, 500})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("a killed server exits with 0")
	}
	_, db = startProcess(t, data)
	if n := scan[uint64](t, db, "SELECT count() FROM days"); n != 1500 {
		t.Errorf("%d rows after kill -9, want 1500", n)
	}
	insertBlocks(t, db, "b", numbers{[]int{2}, 0, 500})
	if n := scan[uint64](t, db, "SELECT count() FROM days"); n != 1500 {
		t.Errorf("%d rows after a token from before kill -9 came again, want 1500", n)
	}
}

// An orderly stop cancels what runs, drops an insert that lacks its end, and
// ends within seconds.
func TestStopped(t *testing.T) {
	data := t.TempDir()
	cmd, db := startProcess(t, data)
	createDays(t, db)
	insertBlocks(t, db, "a", numbers{[]int{1}, 0, 1000})
	const slow = "SELECT count() FROM numbers_mt(1000000000000) WHERE sipHash64(number) = 1"
	cancelled := make(chan error, 1)
	go func() { cancelled <- db.Exec(t.Context(), slow) }()
	wait(t, db, slow, 1)
	half, err := db.PrepareBatch(t.Context(), "INSERT INTO days (day, n)")
	if err != nil {
		t.Fatal(err)
	}
	if err := half.Append(time.Unix(0, 0), uint64(1)); err != nil {
		t.Fatal(err)
	}
	if err := half.Flush(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped: %v, want exit status 0", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if err := <-cancelled; err == nil {
		t.Error("a statement outlived its server")
	}
	_, db = startProcess(t, data)
	if n := scan[uint64](t, db, "SELECT count() FROM days"); n != 1000 {
		t.Errorf("%d rows after the stop, want 1000", n)
	}
}

// Two servers on one data folder would destroy it.
func TestDataFolderIsTaken(t *testing.T) {
	data := t.TempDir()
	startProcess(t, data)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dataVariable+"="+data)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), data) || !strings.Contains(string(out), "another process") {
		t.Errorf("a second server on the folder: %v, %q", err, out)
	}
}
