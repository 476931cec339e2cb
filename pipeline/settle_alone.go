package pipeline

import (
	"context"
	"errors"
	"time"

	"penstock/pipeline/intent"
)

// beAlone takes the node's turn to settle an intent, and waits until no insert
// under the token is executed any more: neither the old owner's, which ClickHouse
// goes on with when it is dead, nor that of whoever settles another of the
// batch's partitions. Of two at once the table takes the rows of one and the
// rollup perhaps those of the other. What comes to ClickHouse later still meets
// a token that is spent.
func (s *settlement) beAlone(ctx context.Context, token string) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err := s.quiet(ctx, token)
	if err != nil {
		<-s.turn
	}
	return err
}

// quietPause is between two looks at what ClickHouse executes, and quietMost how
// long it is waited for: a frozen node may have sent half an insert, which the
// server would wait for much longer than a takeover may last. It is skipped then
// whenever the rest of it comes.
const (
	quietPause = 50 * time.Millisecond
	quietMost  = time.Second
)

func (s *settlement) quiet(ctx context.Context, token string) error {
	until := time.Now().Add(quietMost)
	for _, shard := range s.store.receipts {
		for {
			running := false
			if _, err := s.history.again().do(ctx, func(ctx context.Context) (err error) {
				running, err = shard.Inserting(ctx, token)
				return err
			}); err != nil {
				return err
			}
			if !running || time.Now().After(until) {
				break
			}
			select {
			case <-time.After(quietPause):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// errNoneTaken is why a settlement waits.
var errNoneTaken = errors.New("ClickHouse refuses every row of a day, so no token keeps out what the partition's last owner may have under way; that is outlasted before they are dead-lettered")

// outlast waits until no attempt of others is left, which all rest on commits that were
// accepted before the claim, though they may begin after it. It gives the turn away
// meanwhile, and not its place among those that are settled at once: it holds rows.
func (s *settlement) outlast(ctx context.Context, in intent.Intent) error {
	wait := time.Until(s.since.Add(s.store.lifetime()))
	if wait > 0 {
		s.store.events.Retrying(Retrying{What: "settle", Batch: in.Batch, Err: errNoneTaken, Attempt: 1, Wait: wait})
	}
	if err := s.sleep(ctx, wait); err != nil {
		return err
	}
	return s.quiet(ctx, in.Token(s.partition))
}

// sleep gives the turn away for that time.
func (s *settlement) sleep(ctx context.Context, d time.Duration) error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }() // whoever has it gives it back
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
