package tiering

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"penstock/failpoint"
	"penstock/tiering/store"
)

// ErrHeld is that another compactor holds the lease.
var ErrHeld = errors.New("another compactor holds the lease")

// holding is the content of the lease object.
type holding struct {
	// Fence counts the holders. It is written into every manifest.
	Fence  uint64 `json:"fence"`
	Holder string `json:"holder"`
	// Nonce tells holders of one name apart: every container's process is number 1.
	Nonce string `json:"nonce"`
	// Expires is when another may take the lease, by the holder's clock: clocks
	// of compactors have to agree to within a fraction of the TTL.
	Expires time.Time `json:"expires"`
}

// lease is the right to change a table's cold tier. It is one object, replaced
// only from the state its holder has seen: who has lost it cannot renew it.
//
// It is renewed between statements, blocks of an export and files verified, so a
// statement that runs beyond the expiry is not stopped by it: the TTL has to
// outlast one. What two compactors at once could do is bounded: files and
// manifests are only ever created, and a count precedes seal and drop.
type lease struct {
	objects store.Store
	key     string
	ttl     time.Duration
	now     func() time.Time

	// mu guards what follows, but for held.Fence, which stays. It is held while
	// the lease is written: whoever renews meanwhile needs to know the outcome.
	mu   sync.Mutex
	held holding
	tag  string // of the object that says held
}

// takeLease takes the lease, or returns ErrHeld and who holds it.
func takeLease(ctx context.Context, objects store.Store, key, holder string, ttl time.Duration, now func() time.Time) (*lease, error) {
	l := &lease{objects: objects, key: key, ttl: ttl, now: now}
	l.held = holding{Fence: 1, Holder: holder, Nonce: rand.Text(), Expires: now().Add(ttl).UTC()}

	body, o, err := store.ReadAll(ctx, objects, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return l.create(ctx)
	case err != nil:
		return nil, err
	}
	var other holding
	if err := json.Unmarshal(body, &other); err != nil {
		return nil, fmt.Errorf("lease %s is unreadable: %w; see that no compactor runs, then delete it", key, err)
	}
	if other.Fence == math.MaxUint64 {
		return nil, fmt.Errorf("lease %s has fence %d, after which there is none; see who wrote it, and that no compactor runs, then delete it", key, other.Fence)
	}
	if now().Before(other.Expires) {
		return nil, fmt.Errorf("%w: %s, fence %d, until %s", ErrHeld, other.Holder, other.Fence, other.Expires.Format(time.RFC3339))
	}
	l.held.Fence = other.Fence + 1
	if err := l.write(ctx, o.Tag); err != nil {
		return nil, err
	}
	return l.confirmed(ctx)
}

func (l *lease) create(ctx context.Context) (*lease, error) {
	body, err := json.Marshal(l.held)
	if err != nil {
		return nil, fmt.Errorf("encode lease: %w", err)
	}
	if err := store.CreateBytes(ctx, l.objects, l.key, body); errors.Is(err, store.ErrExists) {
		return nil, fmt.Errorf("%w: it took %s a moment before", ErrHeld, l.key)
	} else if err != nil {
		return nil, err
	}
	return l.confirmed(ctx)
}

// confirmed reads the lease back for its tag, and its content: a service that
// looks at the condition of a write and then carries it out lets two compactors
// have the same number in one moment.
func (l *lease) confirmed(ctx context.Context) (_ *lease, err error) {
	if l.tag, err = l.ours(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// write replaces the lease, if it still has this tag, or has become ours by an
// earlier write that was thought to have failed: its request was on its way.
func (l *lease) write(ctx context.Context, tag string) error {
	body, err := json.Marshal(l.held)
	if err != nil {
		return fmt.Errorf("encode lease: %w", err)
	}
	next, err := store.ReplaceSame(ctx, l.objects, l.key, tag, body)
	if errors.Is(err, store.ErrChanged) {
		if tag, err = l.ours(ctx); err == nil {
			next, err = store.ReplaceSame(ctx, l.objects, l.key, tag, body)
		}
	}
	if errors.Is(err, store.ErrChanged) {
		return fmt.Errorf("%w: fence %d of %s is over: %w", ErrHeld, l.held.Fence, l.key, err)
	}
	if err != nil {
		return err
	}
	l.tag = next
	return nil
}

// ours returns the tag of the lease, if it is ours: a fencing number is one
// holder's, however often he renews.
func (l *lease) ours(ctx context.Context) (tag string, err error) {
	there, o, err := store.ReadAll(ctx, l.objects, l.key)
	if err != nil {
		return "", err
	}
	var is holding
	if err := json.Unmarshal(there, &is); err != nil || is.Fence != l.held.Fence || is.Nonce != l.held.Nonce {
		return "", fmt.Errorf("%w: it replaced fence %d of %s by %s", ErrHeld, l.held.Fence, l.key, there)
	}
	return o.Tag, nil
}

// renew extends the lease if a third of it is used up, and fails if another
// took it. One that ran out unnoticed is still ours if nobody did: to replace
// it from the state we know proves that.
func (l *lease) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held.Expires.Sub(l.now()) > l.ttl*2/3 {
		return nil
	}
	return l.prolong(ctx)
}

// extend extends the lease, and so proves that it is ours at this moment.
func (l *lease) extend(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.prolong(ctx)
}

// prolong extends the lease. The caller holds the lock.
func (l *lease) prolong(ctx context.Context) error {
	was := l.held.Expires
	l.held.Expires = l.now().Add(l.ttl).UTC()
	if err := l.write(ctx, l.tag); err != nil {
		l.held.Expires = was
		return err
	}
	failpoint.At("lease.renewed")
	return nil
}

// end is when the lease runs out, less what clocks may differ by.
func (l *lease) end() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held.Expires.Add(-l.ttl / 10)
}

// release lets the next compactor take the lease at once.
func (l *lease) release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held.Expires = l.now().UTC()
	return l.write(ctx, l.tag)
}
