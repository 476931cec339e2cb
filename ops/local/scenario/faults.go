package scenario

import (
	"context"
	"errors"
	"time"

	"penstock/ops/local/child"
	"penstock/ops/local/procfs"
)

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
	if fault := max(cfg.KillIngestAfter, cfg.KillClickHouseAfter, cfg.ClickHouseDownAfter); fault > 0 {
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
	case KillClickHouse:
		if err := at(cfg.KillClickHouseAfter); err != nil {
			return err
		}
		return s.killClickHouse(ctx)
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

func (s *session) killClickHouse(ctx context.Context) error {
	pid := s.stack.Addresses().ClickHouse.Pid
	if err := s.stack.ClickHouse.Kill(); err != nil {
		return err
	}
	s.step("killed ClickHouse (pid %d) with SIGKILL", pid)
	if err := s.stack.ClickHouse.Start(ctx); err != nil {
		return err
	}
	s.step("ClickHouse is back (pid %d)", s.stack.Addresses().ClickHouse.Pid)
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
	peak, err := procfs.PeakMemory(s.ingest.Pid())
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
