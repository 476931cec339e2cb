package scenario

import (
	"context"
	"errors"

	"penstock/ops/local/ingest"
)

// startIngest starts the node and waits until it says it is ready.
func (s *session) startIngest(ctx context.Context) error {
	n, err := ingest.Start(ingest.Spec{
		Name: "ingest", Program: s.program("ingest"),
		Config: s.files.ingest, Admin: s.files.admin.Ingest, Log: s.log("ingest"),
	})
	if err != nil {
		return err
	}
	if err := n.AwaitReady(ctx); err != nil {
		return errors.Join(err, n.Kill())
	}
	s.ingest = n
	return nil
}

// metric reads one metric of ingest, added up over its labels.
func (s *session) metric(ctx context.Context, name string) (float64, error) {
	page, err := s.ingest.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	return page.Sum(name)
}
