package play

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"penstock/loadtest/gate"
)

// Here is the machine this program runs on. What it does not say is left out.
func Here() gate.Environment {
	e := gate.Environment{OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU()}
	e.CPU = field("/proc/cpuinfo", "model name")
	if kib, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		e.MemoryMiB = kib >> 10
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		e.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(text), " ")
		e.Busy, _ = strconv.ParseFloat(first, 64)
	}
	return e
}

// field is the first value of a name in a file of the kernel's, empty if there is
// none.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
