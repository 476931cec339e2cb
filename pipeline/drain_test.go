package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// sewer is a drain with nothing before it: batches are sealed by hand, and
// commits go to commit.
type sewer struct {
	*drain
	t     *testing.T
	table *table
	owned *ownership
	done  chan error
	stop  func()

	mu      sync.Mutex        // guards what follows
	commits []map[int32]int64 // that were accepted
	refuse  error             // of commits
	failed  int               // commits that were
}

func (s *sewer) fault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

// newSewer runs a drain, whose goroutine is the bubble's.
func newSewer(t *testing.T) *sewer {
	s := &sewer{t: t, table: newTable(), owned: &ownership{}, done: make(chan error, 1)}
	cfg := Default()
	cfg.Lanes = 1
	events := Events{CommitFailed: func(error) { s.mu.Lock(); defer s.mu.Unlock(); s.failed++ }}.ensure()
	s.drain = &drain{
		lane:        newLane(0, cfg, schema.Telemetry(), "run", s.owned, events, func(int, bool) {}),
		sink:        s.table,
		again:       persistence{what: "insert", verdict: fateOf, events: events},
		uncommitted: map[int32]span{},
		commit: func(_ context.Context, offsets map[int32]kgo.EpochOffset) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.refuse != nil {
				return fmt.Errorf("commit: %w", s.refuse)
			}
			next := map[int32]int64{}
			for p, o := range offsets {
				next[p] = o.Offset
			}
			s.commits = append(s.commits, next)
			return nil
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	go func() { s.done <- s.run(ctx) }()
	return s
}

// seal gives the drain a batch of n rows of the partition, from first.
func (s *sewer) seal(token string, partition int32, first, n int) {
	s.t.Helper()
	b := <-s.lane.free
	b.token = token
	for i := first; i < first+n; i++ {
		r := &kgo.Record{Topic: "telemetry", Partition: partition, Offset: int64(i), Timestamp: time.Now()}
		value := fmt.Sprintf(`{"device_id":"d","seq":%d,"ts":"2026-11-23T12:00:00Z"}`, i)
		at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixMilli()
		if _, err := s.lane.decoder.Decode(schema.Record{Partition: partition, Offset: int64(i), Time: at, Value: []byte(value)}, b.day(schema.DayOf(at))); err != nil {
			s.t.Fatal(err)
		}
		b.account(r, s.owned.epoch(partition))
	}
	s.lane.full <- b
	synctest.Wait()
}

func (s *sewer) expect(what string, want ...map[int32]int64) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.EqualFunc(s.commits, want, maps.Equal) {
		s.t.Errorf("%s: committed %v; want %v", what, s.commits, want)
	}
}

func (s *sewer) end() {
	s.t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		s.t.Error("drain:", err)
	}
}

func TestACommitThatFailsIsCoveredByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0)
		s.owned.take(1)
		s.fault(kerr.NotCoordinator)
		s.seal("a", 0, 0, 3)
		s.seal("b", 1, 5, 2)
		s.expect("Kafka refuses")
		if s.failed != 2 {
			t.Errorf("%d failures were told; want 2", s.failed)
		}
		if len(s.lane.free) != s.lane.cfg.Batch.PerLane {
			t.Error("a batch waits for its commit")
		}
		s.fault(nil)
		s.seal("c", 0, 3, 4)
		s.expect("the next", map[int32]int64{0: 7, 1: 7})
	})
}

func TestACommitThatFailsIsTriedAgainWhenNothingFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0)
		s.fault(io.EOF)
		s.seal("a", 0, 0, 3)
		s.fault(nil)
		s.expect("at once")
		time.Sleep(recommit)
		s.expect("a little later", map[int32]int64{0: 3})
		time.Sleep(time.Minute)
		s.expect("and no more", map[int32]int64{0: 3})
	})
}

func TestSpansOfAnEpochThatIsOverAreNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0)
		s.owned.take(1)
		s.fault(io.EOF)
		s.seal("a", 0, 0, 3)
		s.seal("b", 1, 0, 3)
		s.owned.drop(1) // lost
		s.owned.take(0) // lost, and owned anew
		s.fault(nil)
		time.Sleep(2 * recommit)
		s.expect("of epochs that are over")
		s.seal("c", 0, 1, 1)
		s.expect("of the new epoch", map[int32]int64{0: 2})
	})
}

func TestNothingIsCommittedBeforeItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0)
		s.table.setFault(func([]origin) error { return io.ErrUnexpectedEOF })
		s.seal("a", 0, 0, 3)
		s.seal("b", 0, 3, 3)
		time.Sleep(time.Hour)
		s.expect("ClickHouse is away")
		s.table.setFault(nil)
		time.Sleep(lastBackoff)
		s.expect("back", map[int32]int64{0: 3}, map[int32]int64{0: 6})
		if stored, doubled := s.table.counts(); stored != 6 || doubled != 0 {
			t.Errorf("stored %d, doubled %d", stored, doubled)
		}
	})
}

// A release asks for all commits: no later batch will cover one that failed.
func TestAReleaseRepeatsItsCommit(t *testing.T) {
	ask := func(s *sewer, wait time.Duration) chan error {
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeoutCause(s.t.Context(), wait, errors.New("time is up"))
			defer cancel()
			c := commitAll{wait: ctx, done: make(chan error, 1)}
			s.lane.commits <- c
			done <- <-c.done
		}()
		synctest.Wait()
		return done
	}
	t.Run("until Kafka takes it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSewer(t)
			defer s.end()
			s.owned.take(0)
			s.fault(kerr.RebalanceInProgress)
			s.seal("a", 0, 0, 3)
			done := ask(s, 10*time.Second)
			time.Sleep(5 * time.Second)
			s.fault(nil)
			if err := <-done; err != nil {
				t.Error(err)
			}
			s.expect("released", map[int32]int64{0: 3})
		})
	})
	t.Run("until its time is up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSewer(t)
			defer s.end()
			s.owned.take(0)
			s.fault(kerr.CoordinatorNotAvailable)
			s.seal("a", 0, 0, 3)
			began := time.Now()
			err := <-ask(s, 10*time.Second)
			if err == nil || !strings.Contains(err.Error(), "time is up") || !errors.Is(err, kerr.CoordinatorNotAvailable) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("but not when it has no say any longer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSewer(t)
			defer s.end()
			s.owned.take(0)
			s.fault(kerr.IllegalGeneration)
			s.seal("a", 0, 0, 3)
			began := time.Now()
			if err := <-ask(s, 10*time.Second); !errors.Is(err, kerr.IllegalGeneration) || time.Since(began) != 0 {
				t.Errorf("got %v after %v", err, time.Since(began))
			}
		})
	})
}

func TestHalvesHaveTokensOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0)
		s.table.setFault(func(rows []origin) error {
			if len(rows) > 2 {
				return &ch.Exception{Code: proto.ErrViolatedConstraint}
			}
			return nil
		})
		s.table.lose = 3 // each is inserted again, under its token
		s.seal("a", 0, 0, 8)
		time.Sleep(time.Minute)
		s.expect("stored", map[int32]int64{0: 8})
		got := slices.Sorted(maps.Keys(s.table.tokens))
		want := []string{"a.0.0/2026-11-23", "a.0.1/2026-11-23", "a.1.0/2026-11-23", "a.1.1/2026-11-23"}
		if !slices.Equal(got, want) {
			t.Errorf("tokens %v; want %v", got, want)
		}
		if stored, doubled := s.table.counts(); stored != 8 || doubled != 0 {
			t.Errorf("stored %d, doubled %d", stored, doubled)
		}
	})
}

func TestARefusedRecordIsReadAgainUntilItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.stop()
		s.owned.take(0)
		s.table.setFault(func([]origin) error { return &ch.Exception{Code: proto.ErrViolatedConstraint} })
		tries := 0
		s.reread = func(context.Context, int32, int64) (*kgo.Record, error) {
			if tries++; tries < 10 {
				return nil, io.EOF
			}
			return nil, fmt.Errorf("p0@0: %w", errRecordGone)
		}
		s.seal("a", 0, 0, 1)
		err := <-s.done
		if tries != 10 || !errors.Is(err, errRecordGone) || !strings.Contains(err.Error(), "retention") {
			t.Errorf("after %d tries: %v; want it to give up only on a record that is gone", tries, err)
		}
		s.expect("nothing")
	})
}
