// Package scenario runs the product on the local stack, as the processes it
// consists of in production: ingest and compactor, with the fleet of loadtest
// in front of them.
//
// A scenario starts a stack in a folder of its own, writes the programs'
// config files there, creates the topic and the tables, and starts ingest; what
// comes then is the business of Smoke and Run. It never looks inside the
// programs: what it knows it has from their exit status, their reports and
// metrics, and from queries any analyst could ask.
package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
	"penstock/schema"
)

// The names of everything a scenario creates.
const (
	topic       = "telemetry"
	deadLetters = "telemetry.dead"
	group       = "penstock"
	hotTable    = "telemetry"
	allView     = "telemetry_all"
	coldPrefix  = "cold"
	// partitions is a multiple of any machine's lanes that one would run this
	// on, and few enough for one broker.
	partitions = 8
)

// Config says what to run and where to tell about it.
type Config struct {
	// Stack is the stack to start.
	Stack stack.Config
	// Bin is the folder with the programs ingest, compactor and loadtest.
	Bin string
	// Fleet is what is sent.
	Fleet Fleet
	// Retention bounds the topic, in bytes. 0: Kafka's own seven days.
	Retention int64
	// Progress is told what happens, step by step. The programs that draw
	// progress of their own draw it there too.
	Progress *os.File
}

// Fleet is what the devices send.
type Fleet struct {
	// Encoding of the events; JSON if empty.
	Encoding schema.Encoding
	// Rate is records of all kinds a second.
	Rate int
	// Duration of the sending; 0: until it is stopped.
	Duration time.Duration
	// Devices is how many there are.
	Devices int
	// Resend, Late and Malformed are shares of all records.
	Resend, Late, Malformed float64
}

func (f Fleet) encoding() schema.Encoding { return cmp.Or(f.Encoding, schema.JSON) }

// session is a stack with the product running on it.
type session struct {
	cfg    Config
	began  time.Time
	stack  *stack.Stack
	files  files
	ingest *ingest.Node // nil while it does not run
}

// files are where a session keeps what its programs read and write.
type files struct {
	ingest, compactor  string // their config
	admin              admin
	report, fleetState string // what loadtest leaves
	logs               string
}

// open starts a stack and the product on it. After an error nothing is left
// running.
func open(ctx context.Context, cfg Config) (_ *session, err error) {
	if err := checkPrograms(cfg.Bin); err != nil {
		return nil, err
	}
	s := &session{cfg: cfg, began: time.Now()}
	if s.stack, err = stack.Start(ctx, cfg.Stack); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func checkPrograms(bin string) error {
	var errs []error
	for _, name := range []string{"ingest", "compactor", "loadtest"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			errs = append(errs, fmt.Errorf("program %s: %w; build it with: make build", name, err))
		}
	}
	return errors.Join(errs...)
}

func (s *session) prepare(ctx context.Context) error {
	a := s.stack.Addresses()
	s.step("%s, clickhouse and s3 are up", a.Kafka.Name)
	if err := s.writeConfigs(a); err != nil {
		return err
	}
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, topic, partitions, topicConfig(s.cfg.Retention)); err != nil {
		return err
	}
	if err := s.call(ctx, "migrate", "ingest", "migrate", "--config", s.files.ingest); err != nil {
		return err
	}
	s.step("topic %s has %d partitions, the tables are there", topic, partitions)
	if err := s.startIngest(ctx); err != nil {
		return err
	}
	s.step("ingest is ready (pid %d)", s.ingest.Pid())
	return nil
}

// topicConfig bounds the topic's log, if it is to be bounded.
func topicConfig(retention int64) map[string]*string {
	if retention == 0 {
		return nil
	}
	total, segment := strconv.FormatInt(retention/partitions, 10), strconv.FormatInt(retention/partitions/4, 10)
	return map[string]*string{"retention.bytes": &total, "segment.bytes": &segment}
}

// program is the path of one of the product's programs.
func (s *session) program(name string) string { return filepath.Join(s.cfg.Bin, name) }

func (s *session) log(name string) string { return filepath.Join(s.files.logs, name+".log") }

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

// close stops ingest, then the stack.
func (s *session) close() error {
	var errs []error
	if s.ingest != nil {
		errs = append(errs, s.ingest.Stop())
	}
	return errors.Join(append(errs, s.stack.Stop())...)
}

// step says what has been done, with the time since the beginning.
func (s *session) step(format string, args ...any) {
	s.say("[%5.1fs] %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// say writes to the progress. A progress nobody can read any more is no reason
// to stop.
func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.cfg.Progress, format, args...)
}
