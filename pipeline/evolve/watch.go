package evolve

import (
	"context"
	"errors"
	"time"

	"penstock/schema"
)

// awaitEvery is between two questions of a node that cannot begin without the
// answer.
const awaitEvery = time.Second

// Await is Current for a node that starts: a server that does not answer is asked
// again until ctx ends. Failed hears of the first question that had no answer.
func (r *Registry) Await(ctx context.Context, failed func(error)) (*schema.Schema, error) {
	again := time.NewTicker(awaitEvery)
	defer again.Stop()
	for told := false; ; told = true {
		s, err := r.Current(ctx)
		if !errors.Is(err, errNotAnswered) {
			return s, err
		}
		if !told {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-again.C:
		}
	}
}

// Watch looks for another version of the schema until ctx ends, and gives each
// to use, from its own goroutine. Failed hears of a look that failed, but not of
// more that follow; the version that was found last stays in use.
func (r *Registry) Watch(ctx context.Context, every time.Duration, using *schema.Schema, use func(*schema.Schema), failed func(error)) {
	again := time.NewTicker(every)
	defer again.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		now, err := r.Current(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			failed(err)
		}
		if failing = err != nil; !failing && now.Version > using.Version {
			using = now
			use(now)
		}
	}
}
