package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Memory is a store that forgets. The zero value is empty and ready.
type Memory struct {
	// Now is the clock of objects' times. The default is time.Now.
	Now func() time.Time

	mu      sync.Mutex
	objects map[string]memoryObject
	uploads []Upload
	writes  int
}

type memoryObject struct {
	body     []byte
	tag      string
	modified time.Time
}

var (
	_ Store   = (*Memory)(nil)
	_ Sweeper = (*Memory)(nil)
)

func (m *Memory) put(key string, body []byte) string {
	if m.objects == nil {
		m.objects = make(map[string]memoryObject)
	}
	m.writes++
	tag := strconv.Itoa(m.writes)
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	m.objects[key] = memoryObject{body: body, tag: tag, modified: now()}
	return tag
}

// Create implements [Store]. A body that is not what sum says is refused.
func (m *Memory) Create(_ context.Context, key string, body io.ReadSeeker, sum Checksum) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	if got := SumBytes(b); got != sum {
		return fmt.Errorf("create %s: the body's SHA-256 is %s, not %s as announced", key, got, sum)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[key]; ok {
		return fmt.Errorf("create %s: %w", key, ErrExists)
	}
	m.put(key, b)
	return nil
}

// Replace implements [Store].
func (m *Memory) Replace(_ context.Context, key, tag string, body []byte) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.objects[key]; !ok || o.tag != tag {
		return "", fmt.Errorf("replace %s: %w", key, ErrChanged)
	}
	return m.put(key, slices.Clone(body)), nil
}

// Get implements [Store].
func (m *Memory) Get(_ context.Context, key string) (io.ReadCloser, Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return nil, Object{}, fmt.Errorf("get %s: %w", key, ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(o.body)), o.describe(), nil
}

// Head implements [Store].
func (m *Memory) Head(_ context.Context, key string) (Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return Object{}, fmt.Errorf("head %s: %w", key, ErrNotFound)
	}
	return o.describe(), nil
}

// List implements [Store].
func (m *Memory) List(_ context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Sorted(maps.Keys(m.objects))
	return slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, prefix) }), nil
}

// Inventory implements [Sweeper].
func (m *Memory) Inventory(_ context.Context, prefix string) ([]Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Stored
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if o := m.objects[key]; strings.HasPrefix(key, prefix) {
			all = append(all, Stored{Key: key, Size: int64(len(o.body)), Modified: o.modified})
		}
	}
	return all, nil
}

// Delete implements [Sweeper].
func (m *Memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// Begin leaves an upload that nobody ends, as a crash would.
func (m *Memory) Begin(u Upload) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uploads = append(m.uploads, u)
}

// Uploads implements [Sweeper].
func (m *Memory) Uploads(_ context.Context, prefix string) ([]Upload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.uploads), func(u Upload) bool { return !strings.HasPrefix(u.Key, prefix) }), nil
}

// Abort implements [Sweeper].
func (m *Memory) Abort(_ context.Context, u Upload) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uploads = slices.DeleteFunc(m.uploads, func(there Upload) bool { return there.ID == u.ID })
	return nil
}

// Corrupt changes an object behind everyone's back, as a failing disk would:
// edit gets its bytes and returns the new ones, or nil to lose the object.
func (m *Memory) Corrupt(key string, edit func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.objects[key]
	body := edit(slices.Clone(o.body))
	if body == nil {
		delete(m.objects, key)
		return
	}
	m.objects[key] = memoryObject{body: body, tag: o.tag, modified: o.modified}
}

func (o memoryObject) describe() Object {
	sum := SumBytes(o.body)
	return Object{Size: int64(len(o.body)), Tag: o.tag, Sum: &sum}
}
