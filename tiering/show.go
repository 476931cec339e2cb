package tiering

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/failpoint"
	"penstock/schema"
)

// The view is replaced by two: here, when days change places, and by whoever
// adds a column, who makes it of its comment and knows nothing of S3. Neither
// waits for the other, so each looks whether the other was there: the one who
// adds a column marks its version ready before it reads the comment; show looks
// for a newer version after it has replaced the view; and no day is moved or
// dropped but under a view that is as it should be, which settle sees to.

// show makes the view what these manifests say, with the columns of the newest
// schema.
func (p *pass) show(ctx context.Context, manifests map[schema.Day]*Manifest) error {
	return p.replace(ctx, p.catalog.view(manifests))
}

// confirm makes sure that the lease is ours still. Whoever takes it after that
// has what was prepared under ours fail, see [Warehouse.Fence].
func (p *pass) confirm(ctx context.Context) error {
	if err := p.lease.extend(ctx); err != nil {
		return err
	}
	failpoint.At("view.before")
	return nil
}

func (p *pass) replace(ctx context.Context, v View) error {
	for {
		s, err := p.warehouse.Schema(ctx)
		if err != nil {
			return err
		}
		if err := p.warehouse.ReplaceView(ctx, s, v, p.lease.held.Fence, p.confirm); err != nil {
			return err
		}
		newest, err := p.warehouse.Schema(ctx)
		if err != nil || newest.Version == s.Version {
			return err
		}
	}
}

// settleTries is how often a view that someone else replaces meanwhile is put
// back: he does so once for a version of the schema.
const settleTries = 5

// settle returns when the view is v and, if it had to be replaced, queries that
// were planned with the one before have taken their snapshots.
func (p *pass) settle(ctx context.Context, v View) error {
	for range settleTries {
		s, err := p.warehouse.Schema(ctx)
		if err != nil {
			return err
		}
		if shown, err := p.warehouse.Shows(ctx, s, v); err != nil || shown {
			return err
		}
		if err := p.replace(ctx, v); err != nil {
			return err
		}
		if err := p.wait(ctx, p.cfg.Settle); err != nil {
			return err
		}
	}
	return fmt.Errorf("the analysts' view was replaced %d times by somebody else, so the day stays where it is; find who does, then run again", settleTries)
}

// catchUp makes the view what the manifests say, whatever it was: also one that
// shows the same is written, since its credentials may be others. If it showed
// something else, which someone who adds a column or a crash has left, queries
// that were planned with it may be about to look at what this pass drops.
func (p *pass) catchUp(ctx context.Context) error {
	if err := p.untear(ctx); err != nil {
		return err
	}
	s, err := p.warehouse.Schema(ctx)
	if err != nil {
		return err
	}
	shown, err := p.warehouse.Shows(ctx, s, p.catalog.view(p.manifests))
	if err != nil {
		return err
	}
	p.stale = !shown
	if err := p.show(ctx, p.manifests); err != nil || shown {
		return err
	}
	return p.wait(ctx, p.cfg.Settle)
}

// untear puts right what a ClickHouse that was killed at a move has left. It takes
// the parts over one by one and then gives them up, so some may be in both tables.
// The view minds the move still: until a part is given up it shows each row once.
// What is hot is no longer to be sealed then: parts of equal bytes are dropped, and
// of those that were merged meanwhile the rows deleted.
func (p *pass) untear(ctx context.Context) error {
	row, err := p.warehouse.Minded(ctx)
	if err != nil || row == nil {
		return err
	}
	if part, err := p.partition(ctx, row.Day); err != nil || part.HotRows == 0 || part.SealedRows == 0 {
		return err
	}
	err = p.warehouse.DropSealed(ctx, row.Day, func(parts []Part) (twins []Part, err error) {
		return slices.DeleteFunc(parts, func(part Part) bool { return !part.Twin }), nil
	})
	if err != nil {
		return err
	}
	if err := p.lease.extend(ctx); err != nil {
		return err
	}
	_, err = p.warehouse.Unseal(ctx, row.Day)
	return err
}

func (p *pass) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ErrUnknownColumn is the error of a table that has a column its schema has not.
var ErrUnknownColumn = errors.New("nothing is exported without it")

// known returns the schema that a day can be exported with: what is in the
// tables, and no less. A column that is on its way to being the schema's, or
// that someone has added by hand, holds the day back: its values would not be
// in the files, and be gone with the drop.
func (p *pass) known(ctx context.Context) (*schema.Schema, error) {
	s, err := p.warehouse.Schema(ctx)
	if err != nil {
		return nil, err
	}
	unknown, err := p.warehouse.Unknown(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("%s: no column of version %d of the schema: %w; if `ingest schema apply` is at work the next pass goes on, "+
			"if it was interrupted run it again; a column of another's making needs a field in the schema", strings.Join(unknown, ", "), s.Version, ErrUnknownColumn)
	}
	return s, nil
}
