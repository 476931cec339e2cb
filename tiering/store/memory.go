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
)

// Memory is a store that forgets. The zero value is empty and ready.
type Memory struct {
	mu      sync.Mutex
	objects map[string]memoryObject
	writes  int
}

type memoryObject struct {
	body []byte
	tag  string
}

var _ Store = (*Memory)(nil)

func (m *Memory) put(key string, body []byte) string {
	if m.objects == nil {
		m.objects = make(map[string]memoryObject)
	}
	m.writes++
	tag := strconv.Itoa(m.writes)
	m.objects[key] = memoryObject{body: body, tag: tag}
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
	m.objects[key] = memoryObject{body: body, tag: o.tag}
}

func (o memoryObject) describe() Object {
	sum := SumBytes(o.body)
	return Object{Size: int64(len(o.body)), Tag: o.tag, Sum: &sum}
}
