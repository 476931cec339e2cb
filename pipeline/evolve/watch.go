package evolve

import (
	"context"
	"time"

	"penstock/schema"
)

// Watch looks for another version of the schema until ctx ends, and gives each
// to use, from its own goroutine. Failed hears of looks that failed; the version
// that was found last stays in use.
func (r *Registry) Watch(ctx context.Context, every time.Duration, using *schema.Schema, use func(*schema.Schema), failed func(error)) {
	again := time.NewTicker(every)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		now, err := r.Current(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failed(err)
		case now.Version > using.Version:
			using = now
			use(now)
		}
	}
}
