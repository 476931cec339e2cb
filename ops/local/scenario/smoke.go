package scenario

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"penstock/ops/local/child"
	"penstock/ops/local/fetch"
	"penstock/ops/local/procfs"
)

// SmokeConfig is a smoke: a short load, with at most one fault, and all of it
// proven.
type SmokeConfig struct {
	Config
	// KillIngestAfter into the load ingest is killed with SIGKILL and started
	// again. 0: it is not.
	KillIngestAfter time.Duration
	// KillClickHouseAfter into the load ClickHouse is, in the same way.
	KillClickHouseAfter time.Duration
	// ClickHouseDownAfter into the load ClickHouse is stopped, for
	// ClickHouseDownFor. 0: it is not.
	ClickHouseDownAfter, ClickHouseDownFor time.Duration
}

// Validate reports every fault at once.
func (c SmokeConfig) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Fleet.Rate > 0, "--rate is %d; send at least 1 record a second", c.Fleet.Rate)
	check(c.Fleet.Devices > 0, "--devices is %d; take at least 1", c.Fleet.Devices)
	check(c.Fleet.Duration > 0, "--duration is %v; a smoke has to end", c.Fleet.Duration)
	check(c.KillIngestAfter < c.Fleet.Duration, "--kill-ingest-after is %v, after the end of the load; take less than --duration %v",
		c.KillIngestAfter, c.Fleet.Duration)
	check(c.KillClickHouseAfter < c.Fleet.Duration, "--kill-clickhouse-after is %v, after the end of the load; take less than --duration %v",
		c.KillClickHouseAfter, c.Fleet.Duration)
	check(c.ClickHouseDownAfter < c.Fleet.Duration, "--clickhouse-down-after is %v, after the end of the load; take less than --duration %v",
		c.ClickHouseDownAfter, c.Fleet.Duration)
	check((c.ClickHouseDownAfter > 0) == (c.ClickHouseDownFor > 0),
		"--clickhouse-down-after is %v and --clickhouse-down-for is %v; give both or none", c.ClickHouseDownAfter, c.ClickHouseDownFor)
	faults := 0
	for _, after := range []time.Duration{c.KillIngestAfter, c.KillClickHouseAfter, c.ClickHouseDownAfter} {
		if after > 0 {
			faults++
		}
	}
	check(faults <= 1, "--kill-ingest-after, --kill-clickhouse-after, --clickhouse-down-after: one fault at a time")
	return errors.Join(errs...)
}

func (c SmokeConfig) fault() Fault {
	switch {
	case c.KillIngestAfter > 0:
		return KillIngest
	case c.KillClickHouseAfter > 0:
		return KillClickHouse
	case c.ClickHouseDownAfter > 0:
		return StopClickHouse
	default:
		return ""
	}
}

// Smoke sends a fleet's load through a stack of its own, shows a query while it
// runs, moves the old days to Parquet, and returns what it has seen. The error
// says what is not as it has to be; the result is of use then, too.
func Smoke(ctx context.Context, cfg SmokeConfig) (result Result, err error) {
	if err := cfg.Validate(); err != nil {
		return result, err
	}
	if err := cfg.Stack.Cache.Ensure(ctx, fetch.DuckDB); err != nil {
		return result, err
	}
	s, err := open(ctx, cfg.Config)
	if err != nil {
		return result, err
	}
	if load, err := procfs.Busyness(); err == nil && load > float64(runtime.NumCPU()) {
		s.step("this machine is busy (load %.1f on %d cores): latencies are its, too", load, runtime.NumCPU())
	}
	defer func() { err = errors.Join(err, s.close()) }()

	result.Kafka, result.Fault = s.stack.Kafka.Name(), cfg.fault()
	if err := s.load(ctx, cfg, &result); err != nil {
		return result, err
	}
	if err := s.tier(ctx, &result); err != nil {
		return result, err
	}
	if err := s.reprove(ctx, &result); err != nil {
		return result, err
	}
	return result, result.Check()
}

// reprove has loadtest prove the run again, over hot and cold together.
func (s *session) reprove(ctx context.Context, r *Result) error {
	a := s.stack.Addresses().ClickHouse
	path := s.files.report + ".tiered"
	args := []string{s.program("loadtest"), "verify", "--state", s.files.fleetState, "--table", allView,
		"--clickhouse", a.Native, "--user", a.User, "--database", a.Database, "--json", path}
	if r.Fault == KillIngest {
		args = append(args, "--allow-duplicates")
	}
	p, err := child.Start(child.Spec{
		Name: "loadtest verify", Args: args,
		Env: []string{"PENSTOCK_LOADTEST_PASSWORD=" + a.Password},
		Log: s.log("verify"),
	})
	if err != nil {
		return err
	}
	exit := p.Wait(ctx)
	got, err := readReport(path)
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, exit)
	}
	r.judged(exit)
	r.MissingAfterTiering, r.DuplicatedAfterTiering = got.Missing, got.Duplicated
	s.step("after tiering: %d stored, %d missing, %d duplicated", got.Stored, got.Missing, got.Duplicated)
	return nil
}
