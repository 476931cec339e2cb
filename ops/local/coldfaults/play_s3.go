package coldfaults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/ops/local/s3/faultproxy"
)

// requestFault is one way in which a request to S3 goes wrong.
type requestFault struct {
	// operation of the request; empty for any.
	operation faultproxy.Operation
	// forQueries: ClickHouse may meet it, too, when it answers a query. It does
	// not look at checksums of what it reads, so a flipped byte is not for it.
	forQueries bool
	make       func(*rand.Rand) faultproxy.Fault
}

// slowest is beyond the answer_timeout of the compactors' config.
const slowest = 3 * time.Second

func always(f faultproxy.Fault) func(*rand.Rand) faultproxy.Fault {
	return func(*rand.Rand) faultproxy.Fault { return f }
}

// within is a place in the bytes of a small object or the beginning of a large one.
func within(make func(int64) faultproxy.Fault) func(*rand.Rand) faultproxy.Fault {
	return func(choices *rand.Rand) faultproxy.Fault { return make(choices.Int64N(100)) }
}

var requests = map[string]requestFault{
	"503":                 {"", true, always(faultproxy.Refuse(http.StatusServiceUnavailable, "SlowDown"))},
	"503 to a write":      {faultproxy.PutObject, false, always(faultproxy.Refuse(http.StatusServiceUnavailable, "SlowDown"))},
	"503 to a listing":    {faultproxy.ListObjectsV2, false, always(faultproxy.Refuse(http.StatusServiceUnavailable, "SlowDown"))},
	"500 to a write done": {faultproxy.PutObject, false, always(faultproxy.AnswerOtherwise(http.StatusInternalServerError, "InternalError"))},
	"503 to a write done": {faultproxy.PutObject, false, always(faultproxy.AnswerOtherwise(http.StatusServiceUnavailable, "SlowDown"))},
	"409":                 {faultproxy.PutObject, false, always(faultproxy.Refuse(http.StatusConflict, "ConditionalRequestConflict"))},
	"409 to a write done": {faultproxy.PutObject, false, always(faultproxy.AnswerOtherwise(http.StatusConflict, "ConditionalRequestConflict"))},
	"412":                 {faultproxy.PutObject, false, always(faultproxy.Refuse(http.StatusPreconditionFailed, "PreconditionFailed"))},
	"412 to a write done": {faultproxy.PutObject, false, always(faultproxy.AnswerOtherwise(http.StatusPreconditionFailed, "PreconditionFailed"))},
	"slow": {"", true, func(choices *rand.Rand) faultproxy.Fault {
		return faultproxy.Delay(between(choices, 100*time.Millisecond, time.Second))
	}},
	"too slow a write":         {faultproxy.PutObject, false, always(faultproxy.DelayAnswer(slowest))},
	"too slow a read":          {faultproxy.GetObject, true, always(faultproxy.DelayAnswer(slowest))},
	"answer to a write lost":   {faultproxy.PutObject, false, always(faultproxy.LoseAnswer())},
	"answer to a read lost":    {faultproxy.GetObject, true, always(faultproxy.LoseAnswer())},
	"answer to a listing lost": {faultproxy.ListObjectsV2, false, always(faultproxy.LoseAnswer())},
	"read cut short":           {faultproxy.GetObject, true, within(faultproxy.Truncate)},
	"listing cut short":        {faultproxy.ListObjectsV2, false, within(faultproxy.Truncate)},
	"upload cut short":         {faultproxy.PutObject, false, within(faultproxy.CutUpload)},
	"a byte read wrong":        {faultproxy.GetObject, false, within(faultproxy.Flip)},
	"reset":                    {"", true, always(faultproxy.Reset())},
	"reset of a write":         {faultproxy.PutObject, false, always(faultproxy.Reset())},
	"reset of a read":          {faultproxy.GetObject, true, always(faultproxy.Reset())},
}

// requestFaults are their names.
func requestFaults() (names []string) {
	for name := range requests {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// queriesFail tells whether in this round ClickHouse reads through the proxy as
// well, so that an analyst's query may fail; it must not be wrong.
func (r *round) queriesFail() bool { return r.Scenario == S3 && r.Seed%2 == 1 }

// objects are the parts of keys that faults are about: all of them is mostly the
// lease, which is asked for all the time.
var objects = map[faultproxy.Operation][]string{
	faultproxy.PutObject: {".parquet", "/manifests/", "/lease.json"},
	faultproxy.GetObject: {".parquet", "/manifests/", "/lease.json"},
}

// doS3 has requests go wrong, of both compactors, one kind after the other.
func (r *round) doS3(ctx context.Context) error {
	choices := r.random(playing)
	if err := r.a.start(); err != nil {
		return err
	}
	for _, name := range r.Points {
		f := requests[name]
		rule := faultproxy.Rule{Operation: f.operation, Times: 1 + choices.IntN(3), Fault: f.make(choices)}
		if about := objects[f.operation]; len(about) > 0 {
			rule.Key = about[choices.IntN(len(about))]
		}
		if r.queriesFail() && !f.forQueries && f.operation == faultproxy.GetObject {
			rule.Key = "/manifests/" // which queries do not read
		}
		injected := r.proxy.Inject(rule)
		hits := 0
		for until := time.Now().Add(patience); hits < rule.Times && time.Now().Before(until); hits = injected.Hits() {
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			if hits > 0 && time.Until(until) < patience-3*time.Second {
				break // one has happened, and the next is long in coming
			}
		}
		if hits == 0 {
			r.out.found("no request met %q at %q within %v", name, rule.Key, patience)
			continue
		}
		r.out.fire(strings.TrimSpace(fmt.Sprintf("%s %s", name, strings.Trim(rule.Key, "/."))))
		r.proxy.Heal()
		if err := sleep(ctx, between(choices, 0, r.cfg.LeaseTTL/2)); err != nil {
			return err
		}
	}
	return nil
}
