package tiering

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"penstock/tiering/store"
)

func TestLease(t *testing.T) {
	objects, now := new(store.Memory), &clock{today}
	take := func(who string) (*lease, error) {
		return takeLease(t.Context(), objects, "lease", who, time.Minute, now.now)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	refused := func(err error, want string) {
		t.Helper()
		if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v, want ErrHeld that says %q", err, want)
		}
	}

	a, err := take("a")
	must(err)
	_, err = take("b")
	refused(err, "a, fence 1, until 2026-11-23T12:01:00Z")

	// Renewed in time it goes on.
	now.Time = now.Add(50 * time.Second)
	must(a.renew(t.Context()))
	now.Time = now.Add(30 * time.Second)
	_, err = take("b")
	refused(err, "a, fence 1")

	// Run out, another takes it with the next number; the first notices.
	now.Time = now.Add(time.Minute)
	b, err := take("b")
	must(err)
	if b.held.Fence != 2 {
		t.Errorf("fence %d, want 2", b.held.Fence)
	}
	refused(a.renew(t.Context()), `"holder":"b"`)
	refused(a.release(t.Context()), `"holder":"b"`)
	must(b.renew(t.Context()))

	// Run out, but nobody took it: it is still b's.
	now.Time = now.Add(time.Hour)
	must(b.renew(t.Context()))
	_, err = take("c")
	refused(err, "b, fence 2")

	// Given back, the next need not wait.
	must(b.release(t.Context()))
	c, err := take("c")
	must(err)
	if c.held.Fence != 3 {
		t.Errorf("fence %d, want 3", c.held.Fence)
	}
}

// A renewal whose answer is lost is still a renewal.
func TestLeaseAnswerLost(t *testing.T) {
	now := &clock{today}
	objects := &deaf{Memory: new(store.Memory)}
	l, err := takeLease(t.Context(), objects, "lease", "a", time.Minute, now.now)
	if err != nil {
		t.Fatal(err)
	}
	objects.lose = true
	now.Time = now.Add(50 * time.Second)
	for range 3 {
		if err := l.renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		now.Time = now.Add(50 * time.Second)
	}
}

// A renewal that fails without an answer, and cannot be looked after either, may
// be stored all the same. The lease is still ours then.
func TestLeaseRenewedUnawares(t *testing.T) {
	now := &clock{today}
	objects := &silent{Memory: new(store.Memory)}
	l, err := takeLease(t.Context(), objects, "lease", "a", time.Minute, now.now)
	if err != nil {
		t.Fatal(err)
	}
	now.Time = now.Add(50 * time.Second)
	objects.mute = true
	if err := l.renew(t.Context()); !errors.Is(err, errSilent) || errors.Is(err, ErrHeld) {
		t.Fatalf("got %v, want that there was no answer", err)
	}
	objects.mute = false
	if err := l.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := takeLease(t.Context(), objects, "lease", "b", time.Minute, now.now); err != nil {
		t.Errorf("the lease was given back: %v", err)
	}
}

var errSilent = errors.New("no answer")

// silent is a store that, when mute, does what it is asked to and does not
// answer.
type silent struct {
	*store.Memory
	mute bool
}

func (s *silent) Replace(ctx context.Context, key, tag string, body []byte) (string, error) {
	next, err := s.Memory.Replace(ctx, key, tag, body)
	if s.mute {
		return "", errSilent
	}
	return next, err
}

func (s *silent) Get(ctx context.Context, key string) (io.ReadCloser, store.Object, error) {
	if s.mute {
		return nil, store.Object{}, errSilent
	}
	return s.Memory.Get(ctx, key)
}

func TestLeaseOfTwoAtOnce(t *testing.T) {
	objects, now := new(store.Memory), &clock{today}
	results := make(chan error)
	for _, who := range []string{"a", "b", "c", "d"} {
		go func() {
			_, err := takeLease(t.Context(), objects, "lease", who, time.Minute, now.now)
			results <- err
		}()
	}
	won := 0
	for range 4 {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, ErrHeld):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d compactors hold the lease", won)
	}
}

// deaf is a store whose Replace takes effect and, as a retry after a lost
// answer would, says that the object has changed.
type deaf struct {
	*store.Memory
	lose bool
}

func (d *deaf) Replace(ctx context.Context, key, tag string, body []byte) (string, error) {
	next, err := d.Memory.Replace(ctx, key, tag, body)
	if err == nil && d.lose {
		return "", store.ErrChanged
	}
	return next, err
}

// A verification that takes longer than the lease does not lose it: else two
// compactors would take it from each other and none would ever publish.
func TestVerifyKeepsTheLease(t *testing.T) {
	s, now := testSchema(t), &clock{today}
	objects := &slow{Memory: new(store.Memory)}
	w := newWarehouse(s, objects.Memory, readings(day("2026-10-01"), 0, 40)...)
	cfg := testConfig(t)
	c := New(cfg, Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "slow"})
	objects.reading = func() {
		now.Time = now.Add(cfg.LeaseTTL / 2)
		_, err := takeLease(t.Context(), objects.Memory, c.catalog.leaseKey(), "waiting", cfg.LeaseTTL, now.now)
		if !errors.Is(err, ErrHeld) {
			t.Errorf("while a file is read another may have the lease: %v", err)
		}
	}
	if left, err := c.Pass(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// slow is a store from which reading a file takes time.
type slow struct {
	*store.Memory
	reading func()
}

func (s *slow) Get(ctx context.Context, key string) (io.ReadCloser, store.Object, error) {
	if strings.HasSuffix(key, ".parquet") {
		s.reading()
	}
	return s.Memory.Get(ctx, key)
}
