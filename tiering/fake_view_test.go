package tiering

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"penstock/tiering/store"
)

// visible returns how often the view shows each Kafka offset. Offsets of a file
// are read with parquet-go and kept, since objects never change.
func (w *warehouse) visible(t testing.TB, objects store.Store, cache map[string][]int64) map[int64]int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[int64]int{}
	for _, events := range w.hot {
		for _, e := range events {
			seen[e.offset]++
		}
	}
	for day, events := range w.sealed {
		if slices.Contains(w.cutOver, day) || w.minds(day) {
			continue
		}
		for _, e := range events {
			seen[e.offset]++
		}
	}
	for _, key := range w.files {
		if _, ok := cache[key]; !ok {
			cache[key] = offsets(t, objects, key)
		}
		for _, o := range cache[key] {
			seen[o]++
		}
	}
	return seen
}

func offsets(t testing.TB, objects store.Store, key string) []int64 {
	t.Helper()
	rows, err := readEvents(objects, key)
	if err != nil {
		t.Fatalf("the view reads a file that is not there: %v", err)
	}
	var out []int64
	for _, r := range rows {
		out = append(out, r.Offset)
	}
	return out
}

// coldEvent is what the tests read of a row of a file.
type coldEvent struct {
	Device string   `parquet:"device_id"`
	Seq    uint64   `parquet:"seq"`
	Time   int64    `parquet:"ts"`
	Noise  *float64 `parquet:"noise_db"` // of laterSchema; absent in older files
	Offset int64    `parquet:"_offset"`
}

func (c coldEvent) event() event {
	e := event{device: c.Device, seq: c.Seq, time: c.Time, offset: c.Offset}
	if c.Noise != nil {
		e.noise = *c.Noise
	}
	return e
}

func readEvents(objects store.Store, key string) ([]coldEvent, error) {
	body, _, err := store.ReadAll(context.Background(), objects, key)
	if err != nil {
		return nil, err
	}
	return parquet.Read[coldEvent](bytes.NewReader(body), int64(len(body)))
}

// clock is a time that moves when told.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }
