// Package procfs reads what the Linux kernel knows of a process, and of the
// whole machine: the CPU time it has used, the most memory it has held, how much
// it has written.
package procfs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// PeakMemory is the most memory a process has held, in bytes, as the kernel
// counted it.
func PeakMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parsePeak(string(status))
}

func parsePeak(status string) (int64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("VmHWM: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, errors.New("the kernel does not say how much memory it held (no VmHWM)")
}

// Usage is the CPU time a process has used, of all its threads, in seconds.
type Usage struct {
	User   float64 // in its own code
	System float64 // in the kernel, for it
}

// Seconds is both together.
func (u Usage) Seconds() float64 { return u.User + u.System }

// CPU is what a process has used since it was started.
func CPU(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	return parseCPU(string(stat))
}

// CPUSeconds is [CPU], user and system together.
func CPUSeconds(pid int) (float64, error) {
	used, err := CPU(pid)
	return used.Seconds(), err
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux Go runs on.
const ticksPerSecond = 100

// parseCPU reads utime and stime. The name of the program comes before them, in
// parentheses, and may itself hold spaces and parentheses.
func parseCPU(stat string) (Usage, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const utime, stime = 11, 12 // after the name
	if len(fields) <= stime {
		return Usage{}, fmt.Errorf("no CPU time in %q", stat)
	}
	user, err := strconv.ParseUint(fields[utime], 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("utime: %w", err)
	}
	system, err := strconv.ParseUint(fields[stime], 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("stime: %w", err)
	}
	return Usage{User: float64(user) / ticksPerSecond, System: float64(system) / ticksPerSecond}, nil
}

// Written is how many bytes a process has written since it was started, to
// files and sockets alike.
func Written(pid int) (int64, error) {
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	return parseWritten(string(io))
}

func parseWritten(io string) (int64, error) {
	for line := range strings.Lines(io) {
		if rest, ok := strings.CutPrefix(line, "wchar:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("wchar: %w", err)
			}
			return n, nil
		}
	}
	return 0, errors.New("the kernel does not say how much it wrote (no wchar)")
}

// MachineSeconds is the CPU time that was used or stolen on all cores together
// since the machine was started.
func MachineSeconds() (float64, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseMachine(string(stat))
}

// parseMachine adds up the first line but for the times in which a core had
// nothing to do, and those of guests, which are in user and nice already.
func parseMachine(stat string) (float64, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	const idle, iowait, guest = 4, 5, 9 // after the name, which is field 0
	if len(fields) < guest || fields[0] != "cpu" {
		return 0, fmt.Errorf("no CPU time of all cores in %q", line)
	}
	sum := uint64(0)
	for i, field := range fields[1:guest] {
		ticks, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("field %d of %q: %w", i+1, line, err)
		}
		if i+1 != idle && i+1 != iowait {
			sum += ticks
		}
	}
	return float64(sum) / ticksPerSecond, nil
}

// Busyness is how many threads of the whole machine wanted to run, averaged
// over the last minute.
func Busyness() (float64, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	return strconv.ParseFloat(first, 64)
}
