// Package storetest is the one suite every [store.Store] has to pass. It is a
// package of its own because the S3 store is tested where there is an S3, with
// the local stack.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/tiering/store"
)

// Run holds an empty store to what every store promises.
func Run(t *testing.T, s store.Store) {
	ctx := t.Context()
	create := func(key, body string) error {
		return s.Create(ctx, key, strings.NewReader(body), store.SumBytes([]byte(body)))
	}
	is := func(t *testing.T, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("got error %v, want %v", err, want)
		}
	}

	t.Run("an object is what was created", func(t *testing.T) {
		is(t, create("a/one", "hello"), nil)
		body, o, err := store.ReadAll(ctx, s, "a/one")
		is(t, err, nil)
		head, err := s.Head(ctx, "a/one")
		is(t, err, nil)
		if string(body) != "hello" || head.Size != 5 || head.Tag == "" || head.Tag != o.Tag {
			t.Errorf("body %q, head %+v, object %+v", body, head, o)
		}
		sum, err := store.SumOf(ctx, s, "a/one")
		is(t, err, nil)
		if sum != store.SumBytes([]byte("hello")) {
			t.Errorf("SHA-256 %s is not that of what was created", sum)
		}
	})

	t.Run("an object is created once", func(t *testing.T) {
		is(t, create("once", "first"), nil)
		is(t, create("once", "second"), store.ErrExists)
		is(t, create("once", "first"), store.ErrExists)
		body, _, err := store.ReadAll(ctx, s, "once")
		is(t, err, nil)
		if string(body) != "first" {
			t.Errorf("body %q, want the first", body)
		}
	})

	t.Run("of many creating at once one succeeds", func(t *testing.T) {
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch err := create("race", fmt.Sprint("writer ", i)); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d writers were told they created the object, want 1", won.Load())
		}
	})

	t.Run("creating the same again is no error, something else is", func(t *testing.T) {
		is(t, store.CreateBytes(ctx, s, "same", []byte("x")), nil)
		is(t, store.CreateBytes(ctx, s, "same", []byte("x")), nil)
		is(t, store.CreateBytes(ctx, s, "same", []byte("y")), store.ErrExists)
	})

	t.Run("a body that is not what its checksum says is refused", func(t *testing.T) {
		if err := s.Create(ctx, "wrong", strings.NewReader("body"), store.SumBytes([]byte("other"))); err == nil {
			t.Error("stored without an error")
		}
		_, err := s.Head(ctx, "wrong")
		is(t, err, store.ErrNotFound)
	})

	t.Run("what does not exist", func(t *testing.T) {
		_, err := s.Head(ctx, "nothing/here")
		is(t, err, store.ErrNotFound)
		_, _, err = s.Get(ctx, "nothing/here")
		is(t, err, store.ErrNotFound)
		_, err = s.Replace(ctx, "nothing/here", `"tag"`, []byte("x"))
		is(t, err, store.ErrChanged)
	})

	t.Run("an object is replaced from a known state only", func(t *testing.T) {
		is(t, create("lease", "1"), nil)
		head, err := s.Head(ctx, "lease")
		is(t, err, nil)
		next, err := s.Replace(ctx, "lease", head.Tag, []byte("2"))
		is(t, err, nil)
		_, err = s.Replace(ctx, "lease", head.Tag, []byte("3"))
		is(t, err, store.ErrChanged)
		_, err = s.Replace(ctx, "lease", next, []byte("4"))
		is(t, err, nil)
		body, _, err := store.ReadAll(ctx, s, "lease")
		is(t, err, nil)
		if string(body) != "4" {
			t.Errorf("body %q, want 4", body)
		}
	})

	t.Run("a listing is complete and in order", func(t *testing.T) {
		var want []string
		for i := range 1003 { // more than one page of S3
			key := fmt.Sprintf("list/day=%04d", 1002-i)
			is(t, create(key, "x"), nil)
			want = append(want, key)
		}
		slices.Sort(want)
		got, err := s.List(ctx, "list/day=")
		is(t, err, nil)
		if !slices.Equal(got, want) {
			t.Errorf("%d keys, want %d in ascending order", len(got), len(want))
		}
		got, err = s.List(ctx, "list/none")
		is(t, err, nil)
		if len(got) != 0 {
			t.Errorf("keys %v under a prefix without any", got)
		}
	})

	t.Run("a canceled context ends a request", func(t *testing.T) {
		if _, ok := s.(*store.Memory); ok {
			return // nothing to wait for
		}
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		_, err := s.Head(canceled, "once")
		is(t, err, context.Canceled)
	})

	t.Run("parts of an object", func(t *testing.T) { ranges(t, s) })

	t.Run("copy reads and sums", func(t *testing.T) {
		big := bytes.Repeat([]byte("penstock"), 1<<17)
		is(t, store.CreateBytes(ctx, s, "big", big), nil)
		var out bytes.Buffer
		sum, size, err := store.Copy(ctx, s, "big", &out)
		is(t, err, nil)
		if sum != store.SumBytes(big) || size != int64(len(big)) || !bytes.Equal(out.Bytes(), big) {
			t.Errorf("%d bytes with SHA-256 %s", size, sum)
		}
		_, _, err = store.Copy(ctx, s, "no big", io.Discard)
		is(t, err, store.ErrNotFound)
	})
}

// Sweep holds a store that objects can be deleted from to what that is.
func Sweep(t *testing.T, s interface {
	store.Store
	store.Sweeper
}) {
	ctx := t.Context()
	before := time.Now().Add(-time.Minute) // the store has a clock of its own
	for _, key := range []string{"sweep/b", "sweep/a", "sweep/c"} {
		if err := store.CreateBytes(ctx, s, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second finds nothing there
		if err := s.Delete(ctx, "sweep/b"); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Inventory(ctx, "sweep/")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range all {
		keys = append(keys, o.Key)
		if o.Size != 7 || o.Modified.Before(before) || o.Modified.After(time.Now().Add(time.Minute)) {
			t.Errorf("%+v; want 7 bytes, stored now", o)
		}
	}
	if !slices.Equal(keys, []string{"sweep/a", "sweep/c"}) {
		t.Errorf("inventory of %v, want what is not deleted, in ascending order", keys)
	}
	if _, err := s.Head(ctx, "sweep/b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got error %v of what is deleted, want %v", err, store.ErrNotFound)
	}
}

// ranges holds a store to what it says of parts of objects.
func ranges(t *testing.T, s store.Store) {
	ctx := t.Context()
	body := make([]byte, 300_000)
	for i := range body {
		body[i] = byte(i ^ i>>8)
	}
	if err := store.CreateBytes(ctx, s, "part/of", body); err != nil {
		t.Fatal(err)
	}
	r := store.NewReaderAt(ctx, s, "part/of", int64(len(body)))
	f := func(at, n, wantN int, wantErr error) {
		t.Helper()
		p := make([]byte, n)
		got, err := r.ReadAt(p, int64(at))
		if got != wantN || !errors.Is(err, wantErr) {
			t.Fatalf("%d bytes at %d: got %d, %v; want %d, %v", n, at, got, err, wantN, wantErr)
		}
		if !bytes.Equal(p[:got], body[min(at, len(body)):min(at, len(body))+got]) {
			t.Errorf("%d bytes at %d are others", n, at)
		}
	}
	f(len(body)-8, 8, 8, nil)
	f(len(body)-2_000, 1_992, 1_992, nil)
	if r.Bytes > 100_000 {
		t.Errorf("%d bytes were read for the end of the object", r.Bytes)
	}
	f(0, 4, 4, nil)
	f(70_000, 150_000, 150_000, nil)
	f(len(body)-3, 10, 3, io.EOF)
	f(len(body), 1, 0, io.EOF)
	if _, err := s.GetRange(ctx, "part/of nothing", 0, 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got error %v, want %v", err, store.ErrNotFound)
	}
	if _, err := s.GetRange(ctx, "part/of", 299_999, 300_001); err == nil {
		t.Error("bytes beyond the end: no error")
	}
}
