package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/child"
	"penstock/ops/local/procfs"
)

// load sends the fleet's load and waits until loadtest has proven it.
func (s *session) load(ctx context.Context, cfg SmokeConfig, r *Result) error {
	fleet, err := s.startFleet(cfg.fault() == KillIngest)
	if err != nil {
		return err
	}
	s.step("%d devices send %d records/s for %v", cfg.Fleet.Devices, cfg.Fleet.Rate, cfg.Fleet.Duration)
	before, err := s.cpu()
	if err == nil {
		err = s.whileLoaded(ctx, cfg, fleet)
	}
	if err != nil {
		return errors.Join(err, fleet.Kill())
	}
	exit := fleet.Wait(ctx)
	got, err := readReport(s.files.report)
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, exit)
	}
	r.judged(exit)
	r.figures = got.figures
	s.step("%d produced, %d stored, %d missing, %d duplicated, %d rejected, visible after %.0f ms (p50), %.0f ms (p99)",
		r.Produced, r.Stored, r.Missing, r.Duplicated, r.Rejected, r.VisibleP50, r.VisibleP99)

	after, err := s.cpu()
	if err != nil {
		return err
	}
	r.CPUSeconds = map[string]float64{}
	for program, used := range after {
		// One that was started again meanwhile has used all of it since.
		r.CPUSeconds[program.name] = math.Round(100*(used-before[program])) / 100
	}
	r.CPUSeconds["loadtest"] = math.Round(100*fleet.CPU().Seconds()) / 100
	s.step("CPU seconds: %s", list(r.CPUSeconds))
	if r.Lag, err = s.awaitNoLag(ctx); err != nil {
		return err
	}
	peak, err := procfs.PeakMemory(s.ingest.Pid())
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

// process is a program's process: killed and started again, it is another.
type process struct {
	name string
	pid  int
}

// cpu is the CPU time of those programs that have a process, in seconds since
// it was started.
func (s *session) cpu() (map[process]float64, error) {
	a := s.stack.Addresses()
	used := map[process]float64{}
	for _, p := range []process{{"kafka", a.Kafka.Pid}, {"clickhouse", a.ClickHouse.Pid}, {"ingest", s.ingest.Pid()}} {
		if p.pid == 0 {
			continue // kfake is part of this process
		}
		seconds, err := procfs.CPUSeconds(p.pid)
		if err != nil {
			return nil, fmt.Errorf("CPU time of %s: %w", p.name, err)
		}
		used[p] = seconds
	}
	return used, nil
}

// list is a map as people read it.
func list(seconds map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(seconds)) {
		parts = append(parts, fmt.Sprintf("%s %.1f", name, seconds[name]))
	}
	return strings.Join(parts, ", ")
}

func (s *session) startFleet(allowDuplicates bool) (*child.Process, error) {
	a, f := s.stack.Addresses(), s.cfg.Fleet
	args := []string{s.program("loadtest"), "run",
		"--brokers", a.Kafka.Brokers[0], "--topic", topic, "--dlq-topic", deadLetters, "--encoding", string(f.encoding()),
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
