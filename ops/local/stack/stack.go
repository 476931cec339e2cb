// Package stack runs Kafka, ClickHouse and S3 together on one machine.
//
// The life of a stack: Start takes the state folder, fetches what the cache
// lacks, starts the three at the same time and returns when each of them
// answers. Until Stop, any of them may be stopped or killed and started again
// at its old address and with its old data; that is what tests of faults are
// made of. Stop ends all of them and gives the folder back. Nothing outlives
// the process that started it, however that ends.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"penstock/ops/local/child"
	"penstock/ops/local/fetch"
	"penstock/ops/local/kafka"
	"penstock/ops/local/s3"
)

// Config says where a stack lives. Its zero value but for State and Cache is a
// stack beside any number of others.
type Config struct {
	// State is the folder of everything the stack writes; it outlives the
	// stack, and a later one goes on with it. One stack at a time.
	State string
	// Cache holds the programs.
	Cache fetch.Cache
	// Kafka is what speaks Kafka's protocol. Empty: Apache Kafka if there is a
	// Java for it, else kfake.
	Kafka kafka.Kind
	// KafkaBehind are further listeners of Kafka, for clients behind a proxy.
	KafkaBehind []kafka.Listener
	// WithoutS3 leaves S3 out: neither fetched nor started.
	WithoutS3 bool
	// Ports of the loopback interface.
	Ports Ports
	// ClickHouse is the command whose arguments are those of "local
	// clickhouse". Empty: this program.
	ClickHouse []string
	// Notes is told what the user should know but did not ask; never nil.
	Notes io.Writer
}

// Ports are where the stack listens; 0 takes a free one.
type Ports struct {
	Kafka            int
	ClickHouseNative int
	ClickHouseHTTP   int
	S3               int
}

// part is what Kafka, ClickHouse and S3 have in common.
type part interface {
	Start(context.Context) error
	Stop() error
	// Process is nil while the part does not run or has no process of its own.
	Process() *child.Process
}

// Stack is Kafka, ClickHouse and S3, running.
type Stack struct {
	Kafka      *kafka.Broker
	ClickHouse *ClickHouse
	S3         *s3.Gateway

	cfg    Config
	unlock func() error
}

// bucket and database are created by the stack; tables and topics are the
// business of those who use them.
const (
	bucket   = "penstock"
	database = "penstock"
)

// Start starts a stack. After an error nothing is left running.
func Start(ctx context.Context, cfg Config) (_ *Stack, err error) {
	if cfg.State, err = filepath.Abs(cfg.State); err != nil {
		return nil, err
	}
	unlock, err := lockState(cfg.State)
	if err != nil {
		return nil, err
	}
	s := &Stack{cfg: cfg, unlock: unlock}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	cfg := &s.cfg
	if err := cfg.Ports.settle(); err != nil {
		return err
	}
	kind, note, err := kafka.Choose(ctx, cfg.Kafka)
	if err != nil {
		return err
	}
	if note != "" {
		if _, err := fmt.Fprintln(cfg.Notes, note); err != nil {
			return err
		}
	}
	items := []fetch.Item{fetch.ClickHouse}
	if !cfg.WithoutS3 {
		items = append(items, fetch.S3)
	}
	if kind == kafka.Apache {
		items = append(items, fetch.Kafka)
	}
	if err := cfg.Cache.Ensure(ctx, items...); err != nil {
		return err
	}
	controller, err := child.FreePort()
	if err != nil {
		return err
	}
	s.Kafka = kafka.New(kafka.Config{
		Kind:           kind,
		Dir:            filepath.Join(cfg.State, "kafka"),
		Port:           cfg.Ports.Kafka,
		Behind:         cfg.KafkaBehind,
		ControllerPort: controller,
		Jars:           filepath.Dir(cfg.Cache.Path(fetch.Kafka)),
	})
	s.ClickHouse = newClickHouse(*cfg)
	s.S3 = s3.New(s3.Config{
		Program: cfg.Cache.Path(fetch.S3),
		Dir:     filepath.Join(cfg.State, "s3"),
		Port:    cfg.Ports.S3,
		Bucket:  bucket,
	})
	return each(s.parts(), func(p part) error { return p.Start(ctx) })
}

func (s *Stack) parts() []part {
	if s.Kafka == nil {
		return nil // Start failed before there was anything to start
	}
	if s.cfg.WithoutS3 {
		return []part{s.Kafka, s.ClickHouse}
	}
	return []part{s.Kafka, s.ClickHouse, s.S3}
}

// each does something to all parts at the same time.
func each(parts []part, do func(part) error) error {
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, p := range parts {
		all.Go(func() { errs[i] = do(p) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Err says which parts have ended though nobody asked them to.
func (s *Stack) Err() error {
	var errs []error
	for _, p := range s.parts() {
		if process := p.Process(); process != nil {
			errs = append(errs, process.Err())
		}
	}
	return errors.Join(errs...)
}

// Stop stops all parts in good order and gives the state folder back.
func (s *Stack) Stop() error {
	return errors.Join(each(s.parts(), part.Stop), s.unlock())
}

// Addresses of the stack. They stay as they are as long as the stack lives;
// process ids change when a part is started again, and are 0 for a part that
// is not a process of its own.
func (s *Stack) Addresses() Addresses {
	return Addresses{
		Kafka:      KafkaAddress{Name: s.Kafka.Name(), Brokers: []string{s.Kafka.Addr()}, Pid: pid(s.Kafka)},
		ClickHouse: s.ClickHouse.Address(),
		S3: S3Address{
			Endpoint: s.S3.Endpoint(), Region: s3.Region, Bucket: bucket,
			AccessKey: s3.AccessKey, SecretKey: s3.SecretKey,
			Pid: pid(s.S3),
		},
		State: s.cfg.State,
	}
}

func pid(p part) int {
	if process := p.Process(); process != nil {
		return process.Pid()
	}
	return 0
}
