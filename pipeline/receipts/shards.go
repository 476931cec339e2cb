package receipts

import (
	"context"
	"errors"
)

// Shards are the readers of all servers that have rows of a topic.
type Shards []*Reader

// Counts returns what is stored of each span, on all shards together.
func (s Shards) Counts(ctx context.Context, spans []Span) (map[Span]Count, error) {
	all := make(map[Span]Count, len(spans))
	for _, r := range s {
		counts, err := r.Counts(ctx, spans)
		if err != nil {
			return nil, err
		}
		for span, c := range counts {
			sum := all[span]
			all[span] = Count{Rows: sum.Rows + c.Rows, Distinct: sum.Distinct + c.Distinct}
		}
	}
	return all, nil
}

// Close closes the connections of all.
func (s Shards) Close() error {
	errs := make([]error, len(s))
	for i, r := range s {
		errs[i] = r.Close()
	}
	return errors.Join(errs...)
}
