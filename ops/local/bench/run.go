package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"penstock/ops/local/ingest"
	"penstock/ops/local/procfs"
)

// A run is given up when its group commits nothing for so long.
const stuckAfter = time.Minute

// committedEvery is how often the group's offsets are asked for: it is the
// precision of a run's time, and costs only Kafka.
const committedEvery = 20 * time.Millisecond

// run runs a case once. While it does, watch is called with the node, if it is
// not nil; what the engine merges after such a run is not waited for.
func (s *session) run(ctx context.Context, c Case, watch func(*ingest.Node) error) (f figures, err error) {
	t, err := s.topic(ctx, c.Encoding)
	if err != nil {
		return f, err
	}
	if err := s.engine(ctx, c.Engine); err != nil {
		return f, err
	}
	s.runs++
	name := fmt.Sprintf("bench_%d", s.runs)
	config, admin, err := s.writeConfig(c, t, name, watch != nil)
	if err != nil {
		return f, err
	}
	if err := s.call(ctx, name, "ingest", "migrate", "--config", config); err != nil {
		return f, err
	}
	conn, err := s.clickHouse(name)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	before, err := s.usage(ctx, conn)
	if err != nil {
		return f, err
	}
	node, err := ingest.Start(ingest.Spec{Name: "ingest", Program: s.program("ingest"), Config: config, Admin: admin, Log: s.log(name)})
	if err != nil {
		return f, err
	}
	var watching errgroup.Group
	if watch != nil {
		watching.Go(func() error { return watch(node) })
	}
	f, err = s.measure(ctx, node, t, name, conn, before)
	if err = errors.Join(err, watching.Wait(), node.Stop()); err != nil {
		return f, err
	}
	if c.Engine == ClickHouse && watch == nil {
		if err := s.merges(ctx, conn, name, &f); err != nil {
			return f, err
		}
	}
	return f, s.judge(ctx, c, t, name, conn, &f)
}

// engine starts ClickHouse as what a case wants it to be, unless it is that.
func (s *session) engine(ctx context.Context, kind string) error {
	if s.kind == kind {
		return nil
	}
	if err := s.stack.ClickHouse.Stop(); err != nil {
		return err
	}
	s.stack.ClickHouse.DiscardInserts(kind == Null)
	if err := s.stack.ClickHouse.Start(ctx); err != nil {
		return err
	}
	s.kind = kind
	return nil
}

// measure waits until everything is committed, and reads what it took, first of
// all what goes on.
func (s *session) measure(ctx context.Context, node *ingest.Node, t topic, group string, conn driver.Conn, before usage) (f figures, err error) {
	if err := s.awaitCommitted(ctx, node, t, group); err != nil {
		return f, err
	}
	f.Events = t.content.Records
	f.Wall = time.Since(node.Started).Seconds()
	used, err := procfs.CPU(node.Pid())
	if err != nil {
		return f, err
	}
	after, err := s.usage(ctx, conn)
	if err != nil {
		return f, err
	}
	f.User, f.System = used.User, used.System
	f.Engine, f.Kafka, f.Merged = after.engine-before.engine, after.kafka-before.kafka, after.merged-before.merged
	f.Others = max(0, after.machine-before.machine-used.Seconds()-f.Engine-f.Kafka-(after.bench-before.bench))
	written, err := procfs.Written(node.Pid())
	if err != nil {
		return f, err
	}
	f.Sent = uint64(written)
	peak, err := procfs.PeakMemory(node.Pid())
	if err != nil {
		return f, err
	}
	f.Peak = uint64(peak)
	page, err := node.Metrics(ctx)
	if err != nil {
		return f, err
	}
	return f, f.fromMetrics(page)
}

// usage is the CPU time used so far, in seconds, and how many rows of all
// tables and projections the engine has merged.
type usage struct {
	machine, engine, kafka, bench float64
	merged                        uint64
}

func (s *session) usage(ctx context.Context, conn driver.Conn) (u usage, err error) {
	if u.machine, err = procfs.MachineSeconds(); err != nil {
		return u, err
	}
	a := s.stack.Addresses()
	if u.engine, err = procfs.CPUSeconds(a.ClickHouse.Pid); err != nil {
		return u, err
	}
	if a.Kafka.Pid > 0 { // kfake is part of this process
		if u.kafka, err = procfs.CPUSeconds(a.Kafka.Pid); err != nil {
			return u, err
		}
	}
	if u.bench, err = procfs.CPUSeconds(os.Getpid()); err != nil {
		return u, err
	}
	// Last, for it is work for the engine.
	err = conn.QueryRow(ctx, "SELECT sumIf(value, event = 'MergedRows') FROM system.events").Scan(&u.merged)
	if err != nil {
		return u, fmt.Errorf("look at the merges so far: %w", err)
	}
	return u, nil
}

// awaitCommitted waits until the group has committed all of the topic.
func (s *session) awaitCommitted(ctx context.Context, node *ingest.Node, t topic, group string) error {
	tick := time.NewTicker(committedEvery)
	defer tick.Stop()
	var want, last int64
	for _, p := range t.content.Partitions {
		want += p.Next
	}
	moved := time.Now()
	for {
		offsets, err := s.admin.FetchOffsets(ctx, group)
		var sum int64
		for _, o := range offsets.Sorted() {
			sum += max(0, o.At)
		}
		switch {
		case err == nil && sum >= want:
			return nil
		case sum > last:
			last, moved = sum, time.Now()
		case time.Since(moved) > stuckAfter:
			return errors.Join(fmt.Errorf("nothing was committed for %v: group %s is at %d of %d; see %s", stuckAfter, group, last, want, s.log(group)), err)
		}
		if err := errors.Join(node.Err(), s.stack.Err()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
