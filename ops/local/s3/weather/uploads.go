package weather

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/ops/local/s3/faultproxy"
	"penstock/tiering/store"
)

// partSize is the least S3 takes for a part that is not the last.
const partSize = 5 << 20

// An object in parts is there once and whole, or not at all, and leaves no parts
// behind.
func testUploads(t *testing.T, at store.S3Config) {
	large := bytes.Repeat([]byte("penstock"), (2*partSize+partSize/2)/8) // three parts
	sum := store.SumBytes(large)
	create := func(t *testing.T, p place) error {
		return store.CreateSame(t.Context(), p, "large", bytes.NewReader(large), sum)
	}
	whole := func(t *testing.T, p place) {
		t.Helper()
		o, err := p.Head(t.Context(), "large")
		must(t, err)
		if o.Sum == nil || *o.Sum != sum || o.Size != int64(len(large)) {
			t.Errorf("head %+v, want %d bytes with SHA-256 %s", o, len(large), sum)
		}
		read, size, err := store.Copy(t.Context(), p, "large", new(bytes.Buffer))
		must(t, err)
		if read != sum || size != o.Size {
			t.Errorf("read %d bytes with SHA-256 %s", size, read)
		}
	}
	uploads := func(t *testing.T, p place, want int) {
		t.Helper()
		found, err := p.Uploads(t.Context(), "")
		must(t, err)
		if len(found) != want {
			t.Errorf("uploads %+v, want %d", found, want)
		}
	}

	for _, op := range []faultproxy.Operation{faultproxy.CreateMultipartUpload, faultproxy.UploadPart, faultproxy.CompleteMultipartUpload} {
		faults := unsure
		if op == faultproxy.CompleteMultipartUpload {
			faults = append(conditional[:1:1], unsure...)
		}
		for _, f := range faults {
			t.Run(string(op)+" "+f.String(), func(t *testing.T) {
				p := open(t, at, 4)
				rule := p.proxy.Inject(faultproxy.Rule{Operation: op, Times: 1, Fault: f})
				must(t, create(t, p))
				hit(t, rule)
				whole(t, p)
				must(t, create(t, p)) // again
				// A beginning whose answer was lost is not known to anyone.
				if op != faultproxy.CreateMultipartUpload {
					uploads(t, p, 0)
				}
				abortAll(t, p)
				uploads(t, p, 0)
				whole(t, p)
			})
		}
	}

	t.Run("what is there is not sent again", func(t *testing.T) {
		p := open(t, at, 4)
		must(t, create(t, p))
		sent := p.proxy.Seen()[faultproxy.UploadPart]
		must(t, create(t, p))
		is(t, store.CreateSame(t.Context(), p, "large", bytes.NewReader(large[1:]), store.SumBytes(large[1:])), store.ErrExists)
		if again := p.proxy.Seen()[faultproxy.UploadPart]; sent != 3 || again != sent {
			t.Errorf("%d parts were sent, and then %d more; want 3 and none", sent, again-sent)
		}
	})

	t.Run("a body that is not what its checksum says is refused", func(t *testing.T) {
		p := open(t, at, 4)
		err := store.CreateSame(t.Context(), p, "large", bytes.NewReader(large), store.SumBytes(large[1:]))
		if err == nil || !strings.Contains(err.Error(), sum.String()) {
			t.Errorf("got %v", err)
		}
		_, err = p.Head(t.Context(), "large")
		is(t, err, store.ErrNotFound)
	})

	t.Run("of many at once one succeeds", func(t *testing.T) {
		p := open(t, at, 4)
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				mine := slices.Clone(large)
				mine[0] = byte(i)
				switch err := p.Create(t.Context(), "large", bytes.NewReader(mine), store.SumBytes(mine)); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d were told they created the object, want 1", won.Load())
		}
		uploads(t, p, 0)
	})

	t.Run("one that is cut short is aborted", func(t *testing.T) {
		p := open(t, at, 2)
		p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.UploadPart, Skip: 1, Fault: faultproxy.Refuse(503, "SlowDown")})
		if err := create(t, p); err == nil || !strings.Contains(err.Error(), "of 3") {
			t.Errorf("got %v, want the part that failed", err)
		}
		uploads(t, p, 0)
		p.proxy.Heal()
		must(t, create(t, p))
		whole(t, p)
	})

	// As after a crash.
	t.Run("one that nobody ends is found", func(t *testing.T) {
		p := open(t, at, 2)
		p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.UploadPart, Skip: 2, Fault: faultproxy.Reset()})
		p.proxy.Inject(faultproxy.Rule{Operation: faultproxy.AbortMultipartUpload, Fault: faultproxy.Reset()})
		if err := create(t, p); err == nil || !strings.Contains(err.Error(), "abort its upload") {
			t.Errorf("got %v, want that an upload is left", err)
		}
		p.proxy.Heal()
		if elsewhere, err := p.Uploads(t.Context(), "larger"); err != nil || len(elsewhere) != 0 {
			t.Errorf("uploads %+v, %v; want none of that prefix", elsewhere, err)
		}
		if left, err := p.Uploads(t.Context(), "la"); err != nil || len(left) != 1 || left[0].Key != "large" || time.Since(left[0].Begun) > time.Hour {
			t.Errorf("uploads %+v, %v; want the one", left, err)
		}
		abortAll(t, p)
		uploads(t, p, 0)
		_, err := p.Head(t.Context(), "large")
		is(t, err, store.ErrNotFound)
	})
}

// abortAll aborts every upload, each twice: the second finds nothing there.
func abortAll(t *testing.T, p place) {
	t.Helper()
	all, err := p.Uploads(t.Context(), "")
	must(t, err)
	for _, u := range append(all, all...) {
		must(t, p.Abort(t.Context(), u))
	}
}
