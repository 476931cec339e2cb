// Package weather is the one table of what a store has to make of a service
// whose answers cannot be relied upon: requests that are refused, carried out
// without an answer, answered too late or in part. It runs over whatever S3 it
// is given, through package faultproxy.
//
// What it holds a store to is said on [store.CreateSame] and [store.ReplaceSame]
// and in the doc of [store.Store.Get]: whatever was answered, an object is there
// once and whole, or not at all, and who asked knows which.
package weather

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"penstock/ops/local/s3/faultproxy"
	"penstock/tiering/store"
)

// patience is the store's with an answer. Whatever is slower is a fault; on a
// busy machine also an answer that nothing was done to, which is repeated.
const patience = 500 * time.Millisecond

// late is longer than that.
const late = 4 * patience

// Run holds the S3 at this place to the table; objects go below its prefix.
func Run(t *testing.T, at store.S3Config) {
	t.Run("creates", func(t *testing.T) { testCreates(t, at) })
	t.Run("replaces", func(t *testing.T) { testReplaces(t, at) })
	t.Run("reads", func(t *testing.T) { testReads(t, at) })
	t.Run("gives up", func(t *testing.T) { testGivesUp(t, at) })
	t.Run("uploads", func(t *testing.T) { testUploads(t, at) })
}

// place is a store behind a proxy of its own.
type place struct {
	*store.S3
	proxy *faultproxy.Proxy
}

// open makes a place in a folder of its own.
func open(t *testing.T, at store.S3Config, attempts int) place {
	t.Helper()
	proxy, err := faultproxy.Listen(at.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	at.Endpoint = proxy.Endpoint()
	at.Prefix += "/" + strings.NewReplacer("/", "-", " ", "_").Replace(t.Name())
	at.Attempts, at.AnswerTimeout, at.MaxBackoff = attempts, patience, 10*time.Millisecond
	at.PartSize = partSize
	s, err := store.OpenS3(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return place{s, proxy}
}

// unsure are the faults after which a write may have been carried out or not.
var unsure = []faultproxy.Fault{
	{},
	faultproxy.Refuse(500, "InternalError"),
	faultproxy.Refuse(502, "BadGateway"),
	faultproxy.Refuse(503, "SlowDown"),
	faultproxy.Refuse(503, "ServiceUnavailable"),
	faultproxy.Refuse(504, "GatewayTimeout"),
	faultproxy.AnswerOtherwise(500, "InternalError"),
	faultproxy.AnswerOtherwise(503, "SlowDown"),
	faultproxy.LoseAnswer(),
	faultproxy.Reset(),
	faultproxy.CutUpload(1),
	faultproxy.Delay(late),
	faultproxy.DelayAnswer(late),
	faultproxy.DelayAnswer(patience / 10),
	faultproxy.Truncate(0),
}

// conditional are those of a write under a condition besides.
var conditional = []faultproxy.Fault{
	faultproxy.Refuse(409, "ConditionalRequestConflict"),
	faultproxy.Refuse(409, "OperationAborted"),
	faultproxy.AnswerOtherwise(409, "ConditionalRequestConflict"),
	faultproxy.Refuse(412, "PreconditionFailed"),
	faultproxy.AnswerOtherwise(412, "PreconditionFailed"),
}

// each runs a test for every fault, each with a place of its own, all at once.
func each(t *testing.T, at store.S3Config, faults []faultproxy.Fault, test func(*testing.T, place, faultproxy.Fault)) {
	for _, f := range faults {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			test(t, open(t, at, 4), f)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// hit fails the test if a rule has hit nothing.
func hit(t *testing.T, i *faultproxy.Injection) {
	t.Helper()
	if i.Hits() == 0 {
		t.Error("the fault has hit nothing")
	}
}

func holds(t *testing.T, p place, key, want string) {
	t.Helper()
	body, _, err := store.ReadAll(t.Context(), p, key)
	must(t, err)
	if string(body) != want {
		t.Errorf("%s holds %q, want %q", key, body, want)
	}
}

// An object that is created is there once, and what another would put in its
// place is refused.
func testCreates(t *testing.T, at store.S3Config) {
	each(t, at, append(conditional, unsure...), func(t *testing.T, p place, f faultproxy.Fault) {
		rule := p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.PutObject, Times: 1, Fault: f})
		must(t, store.CreateBytes(t.Context(), p, "object", []byte("ours")))
		hit(t, rule)
		holds(t, p, "object", "ours")

		p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.PutObject, Times: 1, Fault: f})
		must(t, store.CreateBytes(t.Context(), p, "object", []byte("ours")))
		p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.PutObject, Times: 1, Fault: f})
		is(t, store.CreateBytes(t.Context(), p, "object", []byte("theirs")), store.ErrExists)
		holds(t, p, "object", "ours")
		keys, err := p.List(t.Context(), "")
		must(t, err)
		if len(keys) != 1 {
			t.Errorf("keys %v, want the one", keys)
		}
	})
}

// An object that is replaced holds what was asked for, and the tag that is
// returned is that of it; from an old state nothing is replaced.
func testReplaces(t *testing.T, at store.S3Config) {
	each(t, at, append(conditional, unsure...), func(t *testing.T, p place, f faultproxy.Fault) {
		ctx := t.Context()
		must(t, store.CreateBytes(ctx, p, "lease", []byte("0")))
		first, err := p.Head(ctx, "lease")
		must(t, err)
		rule := p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.PutObject, Times: 1, Fault: f})
		tag, err := store.ReplaceSame(ctx, p, "lease", first.Tag, []byte("1"))
		must(t, err)
		hit(t, rule)
		holds(t, p, "lease", "1")
		tag, err = store.ReplaceSame(ctx, p, "lease", tag, []byte("2"))
		must(t, err)

		p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.PutObject, Times: 1, Fault: f})
		_, err = store.ReplaceSame(ctx, p, "lease", first.Tag, []byte("3"))
		is(t, err, store.ErrChanged)
		holds(t, p, "lease", "2")
		if o, err := p.Head(ctx, "lease"); err != nil || o.Tag != tag {
			t.Errorf("tag %s, %v; want %s", o.Tag, err, tag)
		}
	})
}

// What is read is whole and as it was stored, or an error.
func testReads(t *testing.T, at store.S3Config) {
	body := strings.Repeat("0123456789abcdef", 1<<16)
	faults := append([]faultproxy.Fault{faultproxy.Truncate(100_000), faultproxy.Stall(100_000), faultproxy.Stall(0)}, unsure...)
	each(t, at, faults, func(t *testing.T, p place, f faultproxy.Fault) {
		ctx := t.Context()
		must(t, store.CreateBytes(ctx, p, "a/object", []byte(body)))
		must(t, store.CreateBytes(ctx, p, "a/second", nil))
		read := p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.GetObject, Times: 2, Fault: f})
		var got bytes.Buffer
		sum, size, err := store.Copy(ctx, p, "a/object", &got)
		must(t, err)
		if got.String() != body || size != int64(len(body)) || sum != store.SumBytes([]byte(body)) {
			t.Errorf("read %d bytes of %d, with SHA-256 %s", size, len(body), sum)
		}
		head := p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.HeadObject, Times: 1, Fault: f})
		if o, err := p.Head(ctx, "a/object"); err != nil || o.Size != size || o.Sum == nil || *o.Sum != sum {
			t.Errorf("head %+v, %v", o, err)
		}
		list := p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.ListObjectsV2, Times: 1, Fault: f})
		if keys, err := p.List(ctx, "a/"); err != nil || fmt.Sprint(keys) != "[a/object a/second]" {
			t.Errorf("keys %v, %v", keys, err)
		}
		hit(t, read)
		hit(t, head)
		hit(t, list)
		_, err = p.Head(ctx, "nothing")
		is(t, err, store.ErrNotFound)
	})

	t.Run("a listing is cut", func(t *testing.T) {
		p := open(t, at, 4)
		for i := range 3 {
			must(t, store.CreateBytes(t.Context(), p, fmt.Sprint(i), nil))
		}
		rule := p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.ListObjectsV2, Times: 1, Fault: faultproxy.Truncate(500)})
		if keys, err := p.List(t.Context(), ""); err != nil || fmt.Sprint(keys) != "[0 1 2]" {
			t.Errorf("keys %v, %v", keys, err)
		}
		hit(t, rule)
	})

	t.Run("a manifest with another byte is no manifest", func(t *testing.T) {
		p := open(t, at, 4)
		must(t, store.CreateBytes(t.Context(), p, "m", []byte("manifest")))
		p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.GetObject, Times: 1, Fault: faultproxy.Flip(3)})
		body, _, err := store.ReadAll(t.Context(), p, "m")
		if err == nil || !strings.Contains(err.Error(), store.SumBytes([]byte("manifest")).String()) {
			t.Errorf("read %q, %v", body, err)
		}
	})

	t.Run("an object changes between two pieces", func(t *testing.T) {
		p := open(t, at, 4)
		ctx := t.Context()
		must(t, store.CreateBytes(ctx, p, "lease", []byte("the first holder")))
		p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.GetObject, Times: 1, Fault: faultproxy.Truncate(5)})
		r, o, err := p.Get(ctx, "lease")
		must(t, err)
		_, err = store.ReplaceSame(ctx, p, "lease", o.Tag, []byte("the other holder"))
		must(t, err)
		got, err := io.ReadAll(r)
		is(t, err, store.ErrChanged)
		must(t, r.Close())
		if string(got) != "the f" {
			t.Errorf("read %q", got)
		}
	})
}

// A fault that does not end is an error that names the object; what is not
// there then can be stored later, and what is there all the same is found.
func testGivesUp(t *testing.T, at store.S3Config) {
	f := func(op faultproxy.Operation, fault faultproxy.Fault, stored bool, do func(context.Context, place) error) {
		t.Run(fmt.Sprintf("%s %v", op, fault), func(t *testing.T) {
			t.Parallel()
			p := open(t, at, 2)
			must(t, store.CreateBytes(t.Context(), p, "there", []byte("there")))
			p.proxy.Inject(faultproxy.Rule{Operation: op, Fault: fault})
			err := do(t.Context(), p)
			switch {
			case stored:
				must(t, err)
			case err == nil || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrNotFound):
				t.Errorf("got error %v, want one that does not say what is not known", err)
			case !strings.Contains(err.Error(), "there"):
				t.Errorf("the error does not name the object: %v", err)
			}
			p.proxy.Heal()
			must(t, do(t.Context(), p))
		})
	}
	create := func(ctx context.Context, p place) error { return store.CreateBytes(ctx, p, "not there", []byte("x")) }
	replace := func(ctx context.Context, p place) error {
		o, err := p.Head(ctx, "there")
		if err == nil {
			_, err = store.ReplaceSame(ctx, p, "there", o.Tag, []byte("x"))
		}
		return err
	}
	read := func(ctx context.Context, p place) error {
		_, _, err := store.ReadAll(ctx, p, "there")
		return err
	}
	head := func(ctx context.Context, p place) error {
		_, err := p.Head(ctx, "there")
		return err
	}
	list := func(ctx context.Context, p place) error {
		_, err := p.List(ctx, "there")
		return err
	}
	slow, lost := faultproxy.Refuse(503, "SlowDown"), faultproxy.LoseAnswer()
	f(faultproxy.PutObject, slow, false, create)
	f(faultproxy.PutObject, slow, false, replace)
	f(faultproxy.PutObject, faultproxy.Refuse(409, "ConditionalRequestConflict"), false, create)
	f(faultproxy.PutObject, faultproxy.Refuse(409, "ConditionalRequestConflict"), false, replace)
	f(faultproxy.PutObject, faultproxy.Refuse(412, "PreconditionFailed"), false, create)
	f(faultproxy.PutObject, faultproxy.Refuse(412, "PreconditionFailed"), false, replace)
	f(faultproxy.PutObject, faultproxy.Reset(), false, create)
	f(faultproxy.PutObject, faultproxy.DelayAnswer(late), true, create)
	f(faultproxy.PutObject, lost, true, create)
	f(faultproxy.PutObject, lost, true, replace)
	f("", lost, false, create)
	f("", faultproxy.Reset(), false, replace)
	f(faultproxy.GetObject, faultproxy.Truncate(2), true, read) // two bytes at a time
	f(faultproxy.GetObject, faultproxy.Truncate(0), false, read)
	f(faultproxy.GetObject, faultproxy.Stall(0), false, read)
	f(faultproxy.GetObject, slow, false, read)
	f(faultproxy.HeadObject, slow, false, head)
	f(faultproxy.ListObjectsV2, slow, false, list)
	f(faultproxy.ListObjectsV2, faultproxy.Truncate(100), false, list)
}
