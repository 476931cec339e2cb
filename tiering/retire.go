package tiering

import (
	"context"
	"time"

	"penstock/schema"
)

// retireAt is when a day is older than the policy keeps days, and the zero time
// if it keeps them for ever.
func retireAt(day schema.Day, p Policy) time.Time {
	if p.RetentionDays == 0 {
		return time.Time{}
	}
	return (day + schema.Day(p.RetentionDays) + 1).Start()
}

// retires reports whether the day's generations are to be listed no more.
func (m *Manifest) retires(now time.Time, day schema.Day, p Policy) bool {
	at := retireAt(day, p)
	return m != nil && len(m.Generations) > 0 && !at.IsZero() && !at.After(now)
}

// retire takes a day out of the cold tier. The manifest comes first and the view
// after it, which the next pass puts right if a crash left it behind; the files
// stay for queries that have planned with them, until gc.
func (p *pass) retire(ctx context.Context, day schema.Day) error {
	next := p.nextManifest(day)
	now := p.now().UTC()
	next.RetiredAt, next.Generations = &now, []Generation{}
	if err := p.publish(ctx, day, next); err != nil {
		return err
	}
	return p.show(ctx, p.manifests)
}
