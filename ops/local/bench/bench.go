// Package bench measures a whole ingest node: how many events it stores for a
// second of CPU time, and what it takes for that.
//
// A bench starts a stack, fills a topic an encoding with events whose number and
// offsets are known, and then runs each case several times: an empty database, a
// new consumer group, and the program ingest as it is in production, which
// finds the whole topic as its backlog. A run lasts from the start of the
// process until the group has committed the last offset, and all CPU time of
// the process in it counts, that of its start too. What was stored is then
// counted and held against what is in the topic: a run with wrong counts has no
// rate.
//
// Like package scenario it looks at the programs from outside: at their reports
// and metrics, at what the kernel knows of their processes, and at what Kafka
// and ClickHouse say.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/stack"
)

// partitions is a multiple of any machine's lanes that one would measure on.
const partitions = 8

// Config says what to measure.
type Config struct {
	// Stack is the stack to start.
	Stack stack.Config
	// Bin is the folder with the programs ingest and loadtest.
	Bin string
	// Cases are run in this order.
	Cases []Case
	// Runs of each case.
	Runs int
	// Events in each topic, of so many Devices.
	Events, Devices int
	// Profiles, if set, is the folder that gets a CPU profile of the node in each
	// case, from a run of its own that counts for nothing else.
	Profiles string
	// Progress is told what happens, step by step.
	Progress io.Writer
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Cases) > 0, "there is no case to run; name one with --case, such as %s", DefaultCases()[0])
	check(c.Runs > 0, "--runs is %d; take at least 1", c.Runs)
	check(c.Events > 0, "--events is %d; take at least 1, and rather 500000", c.Events)
	check(c.Devices > 0, "--devices is %d; take at least 1", c.Devices)
	for _, name := range []string{"ingest", "loadtest"} {
		if _, err := os.Stat(filepath.Join(c.Bin, name)); err != nil {
			errs = append(errs, fmt.Errorf("program %s: %w; build it with: make build", name, err))
		}
	}
	return errors.Join(errs...)
}

// session is a bench under way.
type session struct {
	cfg    Config
	began  time.Time
	stack  *stack.Stack
	topics map[string]topic // by encoding
	kind   string           // of the engine that runs
	admin  *kadm.Client
	runs   int // begun so far; numbers their databases and groups
}

// Run measures all cases. The error says why that could not be done, or that
// counts were wrong; with the latter the result is complete.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	if err := cfg.Validate(); err != nil {
		return result, err
	}
	s := &session{cfg: cfg, began: time.Now(), topics: map[string]topic{}, kind: ClickHouse}
	if s.stack, err = stack.Start(ctx, cfg.Stack); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.stack.Stop()) }()
	a := s.stack.Addresses()
	s.step("%s and clickhouse are up", a.Kafka.Name)
	client, err := kgo.NewClient(kgo.SeedBrokers(a.Kafka.Brokers...))
	if err != nil {
		return result, err
	}
	defer client.Close()
	s.admin = kadm.NewClient(client)

	result = Result{Kafka: a.Kafka.Name, Events: cfg.Events, Runs: cfg.Runs}
	for _, c := range cfg.Cases {
		measured, err := s.measureCase(ctx, c)
		result.add(measured)
		if err != nil {
			return result, fmt.Errorf("%v: %w", c, err)
		}
	}
	return result, result.Check()
}

// measureCase runs a case as often as is asked for. After an error it returns
// the runs before it.
func (s *session) measureCase(ctx context.Context, c Case) (CaseResult, error) {
	measured := CaseResult{Case: c}
	for range s.cfg.Runs {
		f, err := s.run(ctx, c, nil)
		if err != nil {
			return measured, err
		}
		measured.runs = append(measured.runs, f)
		s.step("%-22v %v", c, f)
	}
	if s.cfg.Profiles == "" {
		return measured, nil
	}
	return measured, s.profile(ctx, c, measured.runs[0])
}

// profile runs a case once more, as long as it took before, and keeps what the
// node's CPU time went to.
func (s *session) profile(ctx context.Context, c Case, before figures) error {
	var profile []byte
	f, err := s.run(ctx, c, func(n *ingest.Node) (err error) {
		if err := n.AwaitReady(ctx); err != nil {
			return err
		}
		profile, err = n.Profile(ctx, max(1, int(before.Wall-1)))
		return err
	})
	if err == nil && len(f.Wrong) > 0 {
		err = fmt.Errorf("wrong counts: %v", f.Wrong)
	}
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	path := filepath.Join(s.cfg.Profiles, c.String()+".pprof")
	if err := errors.Join(os.MkdirAll(s.cfg.Profiles, 0o755), os.WriteFile(path, profile, 0o644)); err != nil {
		return err
	}
	s.step("%-22v profile: go tool pprof -top %s", c, path)
	return nil
}

// program is the path of one of the product's programs.
func (s *session) program(name string) string { return filepath.Join(s.cfg.Bin, name) }

func (s *session) log(name string) string {
	return filepath.Join(s.stack.Addresses().State, "logs", name+".log")
}

// call runs a program to its end. What it says goes to the log of that name.
func (s *session) call(ctx context.Context, log, name string, args ...string) error {
	p, err := child.Start(child.Spec{
		Name: name + " " + args[0],
		Args: append([]string{s.program(name)}, args...),
		Log:  s.log(log),
	})
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

func (s *session) clickHouse(database string) (driver.Conn, error) {
	a := s.stack.Addresses().ClickHouse
	return clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.Native},
		Auth: clickhouse.Auth{Database: database, Username: a.User, Password: a.Password},
	})
}

// step says what has been done, with the time since the beginning. A progress
// nobody can read any more is no reason to stop.
func (s *session) step(format string, args ...any) {
	_, _ = fmt.Fprintf(s.cfg.Progress, "[%5.1fs] %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}
