package state

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"syscall"
	"time"
)

// Process is what a program knows of itself.
type Process struct {
	about Program // what does not change

	mu    sync.Mutex // guards what follows
	marks []cpuMark  // oldest first
}

// cpuMark is the CPU time used at a time.
type cpuMark struct {
	at   time.Time
	used time.Duration
}

// NewProcess returns a process that begins now. Budget is that of its memory, in bytes.
func NewProcess(name, kind string, budget int64, settings []Setting) *Process {
	p := new(Process)
	p.about = Program{Name: name, Kind: kind, Version: Version(), Started: time.Now().UTC(), Memory: Memory{Budget: budget}, Settings: settings}
	p.marks = []cpuMark{{time.Now(), processCPU()}}
	return p
}

// Version is what the program was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

// Program returns what is known. Problems are what keeps it from being ready.
func (p *Process) Program(problems []string) Program {
	out := p.about
	out.Problems = problems
	out.CPU = CPU{Used: p.usedCores(), Cores: float64(runtime.GOMAXPROCS(0))}
	out.Memory.Used = resident()
	return out
}

// usedCores is over half a minute, or since anyone asked if that is longer.
func (p *Process) usedCores() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := cpuMark{time.Now(), processCPU()}
	if now.at.Sub(p.marks[len(p.marks)-1].at) >= SampleEvery {
		p.marks = keep(append(p.marks, now), ratesOver)
	}
	from := p.marks[0]
	return float64(now.used-from.used) / float64(max(time.Millisecond, now.at.Sub(from.at)))
}

// resident is what the Go runtime has of the system, in bytes. That differs from what
// the kernel calls resident by the program's own pages, some 20 MB, and costs no
// system call.
func resident() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

// processCPU is the CPU time of the process, as the kernel counts it.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it fails for an argument that is none, and this one is
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
