package procfs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPeakMemory(t *testing.T) {
	if got, err := parsePeak("VmPeak:\t  1000 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n"); err != nil || got != 2<<20 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := parsePeak("Name:\tx\n"); err == nil {
		t.Error("there was no VmHWM, and no error")
	}
	if got, err := PeakMemory(os.Getpid()); err != nil || got < 1<<20 {
		t.Errorf("this process held %d bytes (%v)", got, err)
	}
}

func TestCPU(t *testing.T) {
	f := func(stat string, want Usage) {
		t.Helper()
		if got, err := parseCPU(stat); err != nil || got != want {
			t.Errorf("%q: %v (%v), want %v", stat, got, err, want)
		}
	}
	f("22187 (ingest) S 1 22187 22187 0 -1 4194560 9000 0 1 0 1234 66 0 0 20 0 12 0", Usage{12.34, 0.66})
	f("22187 (a ) (b) S 1 22187 22187 0 -1 4194560 9000 0 1 0 100 0 0 0 20 0 12 0", Usage{1, 0})
	if got, err := parseCPU("22187 (ingest) S 1"); err == nil {
		t.Errorf("there was no CPU time, got %v", got)
	}
	used, err := CPU(os.Getpid())
	if got, errSum := CPUSeconds(os.Getpid()); err != nil || errSum != nil || got < used.Seconds() {
		t.Errorf("this process used %v (%v), and then %v (%v)", used, err, got, errSum)
	}
}

func TestWritten(t *testing.T) {
	if got, err := parseWritten("rchar: 10\nwchar: 20\nsyscr: 1\nwrite_bytes: 4096\n"); err != nil || got != 20 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := parseWritten("rchar: 10\n"); err == nil {
		t.Error("there was no wchar, and no error")
	}
	before, err := Written(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(t.TempDir(), "file"), make([]byte, 12345), 0o600); err != nil {
		t.Fatal(err)
	}
	if after, err := Written(os.Getpid()); err != nil || after < before+12345 {
		t.Errorf("12345 bytes were written, %d before and %d after them (%v)", before, after, err)
	}
}

func TestMachineSeconds(t *testing.T) {
	f := func(stat string, want float64) {
		t.Helper()
		if got, err := parseMachine(stat); err != nil || got != want {
			t.Errorf("%q: %v (%v), want %v", stat, got, err, want)
		}
	}
	f("cpu  100 20 30 5000 700 1 2 3 100 20\ncpu0 1 1 1 1 1 1 1 1 1 1\n", 1.56)
	f("cpu  100 0 0 5000 0 0 0 0", 1)
	if got, err := parseMachine("cpu0 1 1 1 1 1 1 1 1"); err == nil {
		t.Errorf("there was no line of all cores, got %v", got)
	}
	if got, err := MachineSeconds(); err != nil || got <= 0 {
		t.Errorf("this machine used %v (%v)", got, err)
	}
}
