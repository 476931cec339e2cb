package procfs

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestListening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range []interface{ Close() error }{out, u, l} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	want := []string{l.Addr().String(), u.LocalAddr().String()}
	slices.Sort(want)
	if got, err := Listening(os.Getpid()); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	f := func(line, want string) {
		t.Helper()
		if addr, _, open, err := parseSocket(line, listen); err != nil || addr != want || open != (want != "") {
			t.Errorf("%s: %s, %v, %v; want %s", line, addr, open, err, want)
		}
	}
	f("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", "")
	f("   0: 00000000:24F8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1", "0.0.0.0:9464")
	f("   0: 00000000000000000000000001000000:24F8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1", "[::1]:9464")
}

func TestWriting(t *testing.T) {
	dir := t.TempDir()
	written, err := os.Create(filepath.Join(dir, "written"))
	if err != nil {
		t.Fatal(err)
	}
	read, err := os.Open(written.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range []*os.File{read, written} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	got, err := Writing(os.Getpid())
	if got = slices.DeleteFunc(got, func(path string) bool { return filepath.Dir(path) != dir }); err != nil || !slices.Equal(got, []string{written.Name()}) {
		t.Errorf("got %v, %v; want %s", got, err, written.Name())
	}
}

func TestCommandLine(t *testing.T) {
	if got, err := CommandLine(os.Getpid()); err != nil || !slices.Equal(got, os.Args) {
		t.Errorf("got %q, %v; want %q", got, err, os.Args)
	}
}
