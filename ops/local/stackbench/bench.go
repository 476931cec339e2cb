// Package stackbench measures the product with everything it needs on the same
// machine: Kafka, ClickHouse, one ingest node and the fleet that sends.
//
// A run is a stack of its own and some phases on it, one after the other. Each
// phase has a fleet of its own and ends with that fleet's proof: a figure of
// records that are missing or doubled is void. While a phase lasts it is looked
// at once a second (sample), and what is reported of it follows from two
// samples and the fleet's report alone (figures).
//
//	latency      a modest rate: how soon is a reading visible
//	throughput   the highest rate that is to be held, for minutes
//	backlog      a steady rate, the node away for a while: how fast it catches
//	             up while the fleet goes on, and whether its forecast was right
//	fresh-first  the same of a node that reads what is live first: how soon is
//	             that visible while the backlog is worked off
//	late-burst   a steady rate, and devices that were offline send what they kept:
//	             how soon is a live reading visible meanwhile
//	tiering      a steady rate, and a day of weeks ago is moved to S3: the same
//
// CPU is that of each process as the kernel counts it, and never wall time.
package stackbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
)

// The names of everything a run creates.
const (
	topic       = "telemetry"
	deadLetters = "telemetry.dead"
	group       = "penstock"
	hotTable    = "telemetry"
	allView     = "telemetry_all"
	// partitions is what the project's figures are given for.
	partitions = 8
)

// rig is the stack with the node on it.
type rig struct {
	cfg    Config
	began  time.Time
	stack  *stack.Stack
	node   *ingest.Node // nil while it does not run
	config string       // of the node
	admin  string       // host:port of the node
	client *kgo.Client
	kafka  *kadm.Client
	tables driver.Conn
}

// Run runs the phases of cfg. The result is of use also with an error: it has
// the phases that came to an end. The error says what could not be done or what
// was counted wrong.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	if err := cfg.Validate(); err != nil {
		return result, err
	}
	r, err := open(ctx, cfg)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	result.Kafka, result.Cores = r.stack.Kafka.Name(), r.cores()
	for _, phase := range phases {
		if !slices.Contains(cfg.Phases, phase.name) {
			continue
		}
		if err := phase.run(r, ctx, &result); err != nil {
			return result, fmt.Errorf("phase %s: %w", phase.name, err)
		}
	}
	return result, result.Check()
}

// phases are all there are, in their order.
var phases = []struct {
	name Phase
	run  func(*rig, context.Context, *Result) error
}{
	{Latency, func(r *rig, ctx context.Context, result *Result) (err error) {
		result.Latency, err = r.hold(ctx, Latency, r.cfg.Latency)
		return err
	}},
	{Throughput, func(r *rig, ctx context.Context, result *Result) (err error) {
		result.Throughput, err = r.hold(ctx, Throughput, r.cfg.Throughput)
		return err
	}},
	{CatchUp, func(r *rig, ctx context.Context, result *Result) (err error) {
		result.Backlog, err = r.catchUp(ctx, CatchUp, r.cfg.Backlog, r.cfg.Recovery)
		return err
	}},
	{FreshFirst, func(r *rig, ctx context.Context, result *Result) (err error) {
		result.FreshFirst, err = r.catchUp(ctx, FreshFirst, r.cfg.Backlog, string(FreshFirst))
		return err
	}},
	{LateBurst, func(r *rig, ctx context.Context, result *Result) (err error) {
		result.LateBurst, err = r.burst(ctx, r.cfg.Burst)
		return err
	}},
	{TieringDay, func(r *rig, ctx context.Context, result *Result) (err error) {
		result.Tiering, err = r.tiering(ctx, r.cfg.ColdDay)
		return err
	}},
}

// open starts the stack and the node. After an error nothing is left running.
func open(ctx context.Context, cfg Config) (_ *rig, err error) {
	tiers := slices.Contains(cfg.Phases, TieringDay)
	needed := []string{"ingest", "loadtest"}
	if tiers {
		needed = append(needed, "compactor")
	}
	for _, name := range needed {
		if _, err := os.Stat(filepath.Join(cfg.Bin, name)); err != nil {
			return nil, fmt.Errorf("program %s: %w; build it with: make build", name, err)
		}
	}
	cfg.Stack.WithoutS3 = !tiers
	r := &rig{cfg: cfg, began: time.Now()}
	if r.stack, err = stack.Start(ctx, cfg.Stack); err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) prepare(ctx context.Context) (err error) {
	a := r.stack.Addresses()
	r.say("%s and ClickHouse are up on %d cores; data and logs are in %s", a.Kafka.Name, r.cores(), a.State)
	port, err := child.FreePort()
	if err != nil {
		return err
	}
	r.admin, r.config = child.Loopback(port), filepath.Join(a.State, "ingest.yaml")
	if err := r.writeConfig(r.cfg.Recovery); err != nil {
		return err
	}
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, topic, partitions, nil); err != nil {
		return err
	}
	migrate, err := child.Start(child.Spec{
		Name: "ingest migrate",
		Args: []string{r.program("ingest"), "migrate", "--config", r.config},
		Log:  r.log("migrate"),
	})
	if err != nil {
		return err
	}
	if err := migrate.Wait(ctx); err != nil {
		return err
	}
	if r.client, err = kgo.NewClient(kgo.SeedBrokers(a.Kafka.Brokers...)); err != nil {
		return err
	}
	r.kafka = kadm.NewClient(r.client)
	if r.tables, err = clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.ClickHouse.Native},
		Auth: clickhouse.Auth{Database: a.ClickHouse.Database, Username: a.ClickHouse.User, Password: a.ClickHouse.Password},
	}); err != nil {
		return err
	}
	return r.startNode(ctx)
}

// close ends what runs, the node first.
func (r *rig) close() error {
	var errs []error
	if r.node != nil {
		errs = append(errs, r.node.Stop())
	}
	if r.client != nil {
		r.client.Close()
	}
	if r.tables != nil {
		errs = append(errs, r.tables.Close())
	}
	return errors.Join(append(errs, r.stack.Stop())...)
}

// cores are shared by all programs.
func (r *rig) cores() int { return runtime.NumCPU() }

func (r *rig) program(name string) string { return filepath.Join(r.cfg.Bin, name) }

func (r *rig) log(name string) string {
	return filepath.Join(r.stack.Addresses().State, "logs", name+".log")
}

// say tells what happens, with the time since the beginning.
func (r *rig) say(format string, args ...any) {
	// A progress nobody can read any more is no reason to stop.
	_, _ = fmt.Fprintf(r.cfg.Progress, "[%6.1fs] %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}
