package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/child"
	"penstock/ops/local/fetch"
)

// SmokeConfig is a smoke: a short load, with at most one fault, and all of it
// proven.
type SmokeConfig struct {
	Config
	// KillIngestAfter into the load ingest is killed with SIGKILL and started
	// again. 0: it is not.
	KillIngestAfter time.Duration
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
	check(c.ClickHouseDownAfter < c.Fleet.Duration, "--clickhouse-down-after is %v, after the end of the load; take less than --duration %v",
		c.ClickHouseDownAfter, c.Fleet.Duration)
	check((c.ClickHouseDownAfter > 0) == (c.ClickHouseDownFor > 0),
		"--clickhouse-down-after is %v and --clickhouse-down-for is %v; give both or none", c.ClickHouseDownAfter, c.ClickHouseDownFor)
	check(c.KillIngestAfter == 0 || c.ClickHouseDownAfter == 0, "--kill-ingest-after and --clickhouse-down-after: one fault at a time")
	return errors.Join(errs...)
}

func (c SmokeConfig) fault() Fault {
	switch {
	case c.KillIngestAfter > 0:
		return KillIngest
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

// load sends the fleet's load and waits until loadtest has proven it.
func (s *session) load(ctx context.Context, cfg SmokeConfig, r *Result) error {
	fleet, err := s.startFleet(cfg.fault() == KillIngest)
	if err != nil {
		return err
	}
	s.step("%d devices send %d records/s for %v", cfg.Fleet.Devices, cfg.Fleet.Rate, cfg.Fleet.Duration)
	err = s.whileLoaded(ctx, cfg, fleet)
	if err != nil {
		return errors.Join(err, fleet.Kill())
	}
	// loadtest's own verdict is in its report, and Check judges that.
	exit := fleet.Wait(ctx)
	got, err := readReport(s.files.report)
	if err != nil {
		return errors.Join(err, exit)
	}
	r.Produced, r.Stored, r.Missing, r.Duplicated = got.Produced, got.Stored, got.Missing, got.Duplicated
	r.Rejected, r.MalformedSent, r.Resent, r.Rate = got.Rejected, got.MalformedSent, got.Resent, got.Rate
	r.VisibleP50, r.VisibleP99, r.VisibleMax = got.VisibleP50, got.VisibleP99, got.VisibleMax
	s.step("%d produced, %d stored, %d missing, %d duplicated, %d rejected, visible after %.0f ms (p50), %.0f ms (p99)",
		r.Produced, r.Stored, r.Missing, r.Duplicated, r.Rejected, r.VisibleP50, r.VisibleP99)

	if r.Lag, err = s.awaitNoLag(ctx); err != nil {
		return err
	}
	peak, err := peakMemory(s.ingest.Pid())
	if err != nil {
		return err
	}
	budget, err := s.metric(ctx, "penstock_ingest_memory_budget_bytes")
	if err != nil {
		return err
	}
	r.IngestPeakMiB, r.IngestBudgetMiB = peak>>20, int64(budget)>>20
	s.step("lag %d, ingest held at most %d MiB (its budget is %d MiB)", r.Lag, r.IngestPeakMiB, r.IngestBudgetMiB)
	return nil
}

func (s *session) startFleet(allowDuplicates bool) (*child.Process, error) {
	a, f := s.stack.Addresses(), s.cfg.Fleet
	args := []string{s.program("loadtest"), "run",
		"--brokers", a.Kafka.Brokers[0], "--topic", topic, "--dlq-topic", deadLetters,
		"--clickhouse", a.ClickHouse.Native, "--user", a.ClickHouse.User, "--database", a.ClickHouse.Database,
		"--hot-table", hotTable, "--table", allView,
		"--rate", strconv.Itoa(f.Rate), "--duration", f.Duration.String(), "--devices", strconv.Itoa(f.Devices),
		"--resend", share(f.Resend), "--late", share(f.Late), "--malformed", share(f.Malformed),
		"--json", s.files.report, "--state", s.files.fleetState}
	if allowDuplicates {
		args = append(args, "--allow-duplicates")
	}
	if f.Duration == 0 {
		args = append(args, "--verify-timeout", "0s")
	}
	return child.Start(child.Spec{
		Name: "loadtest run", Args: args,
		Env: []string{"PENSTOCK_LOADTEST_PASSWORD=" + a.ClickHouse.Password},
		Log: s.log("loadtest"), Show: s.cfg.Progress,
	})
}

func share(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// whileLoaded shows a query and does the fault, if one is asked for, each at
// its time.
func (s *session) whileLoaded(ctx context.Context, cfg SmokeConfig, fleet *child.Process) error {
	began := time.Now()
	at := func(after time.Duration) error {
		timer := time.NewTimer(time.Until(began.Add(after)))
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-fleet.Done():
			return errors.Join(errors.New("loadtest ended before the load was over"), fleet.Err())
		}
	}
	// The query comes first: a third into the load there is something to see,
	// and no fault yet.
	query := cfg.Fleet.Duration / 3
	if fault := max(cfg.KillIngestAfter, cfg.ClickHouseDownAfter); fault > 0 {
		query = min(query, fault*9/10)
	}
	if err := at(query); err != nil {
		return err
	}
	if err := s.showQuery(ctx); err != nil {
		return err
	}
	switch cfg.fault() {
	case KillIngest:
		if err := at(cfg.KillIngestAfter); err != nil {
			return err
		}
		return s.killIngest(ctx)
	case StopClickHouse:
		if err := at(cfg.ClickHouseDownAfter); err != nil {
			return err
		}
		return s.clickHouseDown(ctx, cfg.ClickHouseDownFor)
	}
	return nil
}

func (s *session) killIngest(ctx context.Context) error {
	pid := s.ingest.Pid()
	if err := s.ingest.Kill(); err != nil {
		return err
	}
	s.step("killed ingest (pid %d) with SIGKILL", pid)
	if err := s.startIngest(ctx); err != nil {
		return err
	}
	s.step("ingest is back (pid %d)", s.ingest.Pid())
	return nil
}

func (s *session) clickHouseDown(ctx context.Context, outage time.Duration) error {
	if err := s.stack.ClickHouse.Stop(); err != nil {
		return err
	}
	s.step("stopped ClickHouse for %v", outage)
	timer := time.NewTimer(outage)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	lag, err := s.lag(ctx)
	if err != nil {
		return err
	}
	peak, err := peakMemory(s.ingest.Pid())
	if err != nil {
		return err
	}
	s.step("lag is %d records, ingest has held at most %d MiB; starting ClickHouse", lag, peak>>20)
	if err := s.stack.ClickHouse.Start(ctx); err != nil {
		return err
	}
	s.step("ClickHouse is back")
	return nil
}

// lag is how many records the group has not committed.
func (s *session) lag(ctx context.Context) (int64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.stack.Kafka.Addr()))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	groups, err := kadm.NewClient(client).Lag(ctx, group)
	if err != nil {
		return 0, fmt.Errorf("lag of group %s: %w", group, err)
	}
	if err := groups.Error(); err != nil {
		return 0, fmt.Errorf("lag of group %s: %w", group, err)
	}
	return groups[group].Lag.Total(), nil
}

// awaitNoLag gives the last commits, which follow the last rows, ten seconds.
func (s *session) awaitNoLag(ctx context.Context) (lag int64, err error) {
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if lag, err = s.lag(ctx); err != nil || lag == 0 {
			return lag, err
		}
		select {
		case <-ctx.Done():
			return lag, context.Cause(ctx)
		case <-deadline.C:
			return lag, nil // Check says that it is not 0
		case <-tick.C:
		}
	}
}

// reprove has loadtest prove the run again, over hot and cold together.
func (s *session) reprove(ctx context.Context, r *Result) error {
	a := s.stack.Addresses().ClickHouse
	path := s.files.report + ".tiered"
	p, err := child.Start(child.Spec{
		Name: "loadtest verify",
		Args: []string{s.program("loadtest"), "verify", "--state", s.files.fleetState, "--table", allView,
			"--clickhouse", a.Native, "--user", a.User, "--database", a.Database, "--json", path},
		Env: []string{"PENSTOCK_LOADTEST_PASSWORD=" + a.Password},
		Log: s.log("verify"),
	})
	if err != nil {
		return err
	}
	exit := p.Wait(ctx)
	got, err := readReport(path)
	if errors.Is(err, os.ErrNotExist) || ctx.Err() != nil {
		return errors.Join(err, exit)
	}
	if err != nil {
		return err
	}
	r.MissingAfterTiering, r.DuplicatedAfterTiering = got.Missing, got.Duplicated
	s.step("after tiering: %d stored, %d missing, %d duplicated", got.Stored, got.Missing, got.Duplicated)
	return nil
}
