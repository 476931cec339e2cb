package evolve

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/schema"
)

// A node that starts while ClickHouse is away waits for it, says so once, and can
// be stopped meanwhile; one that runs goes on with what it has.
func TestNobodyAnswers(t *testing.T) {
	away := &clickhouse.Options{Addr: []string{"127.0.0.1:1"}, DialTimeout: 100 * time.Millisecond}
	r, err := Open([]Shard{{Name: "1", At: away}}, schema.Tables{}, schema.Telemetry())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	told := 0
	failed := func(err error) {
		if !errors.Is(err, errNotAnswered) {
			t.Errorf("told of %v", err)
		}
		told++
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*awaitEvery+awaitEvery/2)
	defer cancel()
	if s, err := r.Await(ctx, failed); s != nil || !errors.Is(err, context.DeadlineExceeded) || told != 1 {
		t.Errorf("got %v, %v, and was told %d times", s, err, told)
	}
	told = 0
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r.Watch(ctx, 10*time.Millisecond, schema.Telemetry(), func(*schema.Schema) { t.Error("another version is in use") }, failed)
	if told != 1 {
		t.Errorf("was told %d times of looks that failed in a row", told)
	}
}
