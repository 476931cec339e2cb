package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/ops/local/child"
)

// compactEvery is how often Run's compactor looks for old days. In production
// an hour is enough; here somebody is watching.
const compactEvery = time.Minute

// Run is the product on a stack left running: the fleet sends until it is
// stopped, loadtest's progress is the live line, and the compactor looks for old
// days. It returns nil when ctx ends, and an error when one of the programs
// ends before.
func Run(ctx context.Context, cfg Config) (err error) {
	cfg.Fleet.Duration = 0
	s, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	compactor, err := child.Start(child.Spec{
		Name: "compactor run",
		Args: []string{s.program("compactor"), "run", "--every", compactEvery.String(), "--config", s.files.compactor},
		Log:  s.log("compactor"),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, compactor.Stop()) }()
	s.say("%s", s.welcome())
	fleet, err := s.startFleet(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.Stop()) }()

	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.step("stopping: first the fleet, then compactor and ingest, then the stack")
			return nil
		case <-tick.C:
			if err := errors.Join(fleet.Err(), compactor.Err(), s.ingest.Err(), s.stack.Err()); err != nil {
				return err
			}
		}
	}
}

// welcome is what somebody who wants to look around needs to know.
func (s *session) welcome() string {
	a := s.stack.Addresses()
	return fmt.Sprintf(`
%s
page        http://%s/
compactor   http://%s/metrics
            every %v: days older than 30 days go to s3://%s/%s

  curl 'http://%s:%s@%s/?database=%s' --data-binary @- <<'SQL'
%s
FORMAT PrettyCompact
SQL

%d records a second from %d devices; ^C stops everything.

`, a, s.files.admin.Ingest, s.files.admin.Compactor, compactEvery, a.S3.Bucket, coldPrefix,
		a.ClickHouse.User, a.ClickHouse.Password, a.ClickHouse.HTTP, a.ClickHouse.Database, exampleQuery,
		s.cfg.Fleet.Rate, s.cfg.Fleet.Devices)
}
