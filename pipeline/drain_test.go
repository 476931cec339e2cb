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

	"github.com/twmb/franz-go/pkg/kerr"

	"penstock/pipeline/intent"
	"penstock/schema"
)

// sewer is a drain with nothing before it: batches are sealed by hand, and
// commits go to a Kafka that is one map. It holds every insert against what is
// committed: no row is sent under a token that Kafka does not hold for it.
type sewer struct {
	*drain
	t     *testing.T
	table *table
	owned *ownership
	done  chan error
	stop  func()

	mu        sync.Mutex // guards what follows
	kafka     map[int32]intent.State
	commits   []string // that were accepted
	refuse    error    // of commits
	confirmed []Confirmed
	inserted  []Inserted
	retried   int // attempts that failed
}

func (s *sewer) fault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

// newSewer runs a drain of two stores, whose goroutines are the bubble's.
func newSewer(t *testing.T) *sewer {
	s := &sewer{t: t, table: newTable(), owned: &ownership{}, done: make(chan error, 1), kafka: map[int32]intent.State{}}
	cfg := Default()
	cfg.ClickHouse.Addr = "unused:9000"
	cfg.Lanes = 1
	events := Events{
		Confirmed: func(c Confirmed) { s.mu.Lock(); defer s.mu.Unlock(); s.confirmed = append(s.confirmed, c) },
		Inserted:  func(i Inserted) { s.mu.Lock(); defer s.mu.Unlock(); s.inserted = append(s.inserted, i) },
		Retrying:  func(Retrying) { s.mu.Lock(); defer s.mu.Unlock(); s.retried++ },
	}.ensure()
	s.table.before = s.hold
	commit := func(ctx context.Context, all map[int32]statement) error {
		again := persistence{what: "commit", verdict: fateOfCommit, events: events}
		_, err := again.do(ctx, func(context.Context) error { return s.accept(all) })
		return err
	}
	lane := newLane(0, cfg, newestTelemetry(), "run", s.owned, events, plainDecoders(cfg), func(int, bool) {})
	s.drain = newDrain(lane, commit, newRejectGuard(cfg.Rejects, events.RejectRate))
	for range cfg.Batch.PerLane - 1 {
		s.stores = append(s.stores, &store{
			events: events, sink: s.table, receipts: []stored{s.table}, prove: s.prove, bound: cfg.ClickHouse.InsertTimeout,
			again: persistence{what: "insert", verdict: fateOf, events: events},
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	go func() { s.done <- s.run(ctx) }()
	return s
}

// accept is Kafka's end of a commit.
func (s *sewer) accept(all map[int32]statement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return fmt.Errorf("commit: %w", s.refuse)
	}
	epochs := map[int32]uint64{}
	for p, st := range all {
		epochs[p] = st.epoch
	}
	if !s.owned.current(epochs, "") {
		return errDoubt
	}
	var words []string
	for _, p := range slices.Sorted(maps.Keys(all)) {
		state := all[p].state
		s.kafka[p] = state
		words = append(words, fmt.Sprintf("p%d=%d", p, state.Offset))
		for _, in := range state.Pending {
			words = append(words, fmt.Sprintf("%s[%d,%d)", in.Batch, in.First, in.Next))
		}
	}
	s.commits = append(s.commits, strings.Join(words, " "))
	return nil
}

// hold holds an insert against what is committed.
func (s *sewer) hold(_ context.Context, token string, rows []schema.Origin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range rows {
		if !slices.ContainsFunc(s.kafka[row.Partition].Pending, func(in intent.Intent) bool {
			return in.Batch == token && in.First <= row.Offset && row.Offset < in.Next
		}) {
			s.t.Errorf("%v is inserted under %s, and Kafka has %+v", row, token, s.kafka[row.Partition])
		}
	}
	return nil
}

// said returns what Kafka has of the partition.
func (s *sewer) said(partition int32) intent.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kafka[partition]
}

// seal gives the drain a batch of n rows of the partition, from first.
func (s *sewer) seal(id string, partition int32, first, n int) {
	s.t.Helper()
	b := <-s.lane.free
	b.id = id
	for i := first; i < first+n; i++ {
		s.put(b, partition, i)
	}
	s.lane.full <- b
	synctest.Wait()
}

// put decodes one event into the batch.
func (s *sewer) put(b *batch, partition int32, offset int) {
	s.t.Helper()
	s.putAt(b, partition, offset, curtain)
}

// putAt is put for an event of that time.
func (s *sewer) putAt(b *batch, partition int32, offset int, at time.Time) {
	s.t.Helper()
	r := record(partition, offset, eventAt("d", offset, at), at)
	block := b.block(place{0, schema.DayOf(at.UnixMilli())})
	if _, err := s.lane.filler.decoder.Decode(schema.Record{Partition: partition, Offset: r.Offset, Time: at.UnixMilli(), Value: r.Value}, block); err != nil {
		s.t.Fatal(err)
	}
	b.account(partition, span{epoch: s.owned.epoch(partition), first: r.Offset, next: r.Offset + 1, leaderEpoch: r.LeaderEpoch, rows: 1})
}

// expect checks which commits Kafka has taken since the last time.
func (s *sewer) expect(what string, want ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.commits, want) {
		s.t.Errorf("%s: committed %q; want %q", what, s.commits, want)
	}
	s.commits = nil
}

// expectNews is expect where Kafka is asked again and again: of commits that say what the
// one before them said.
func (s *sewer) expectNews(what string, want ...string) {
	s.t.Helper()
	s.mu.Lock()
	s.commits = slices.Compact(s.commits)
	s.mu.Unlock()
	s.expect(what, want...)
}

// expectStored checks how many rows are stored, each once.
func (s *sewer) expectStored(what string, want int) {
	s.t.Helper()
	synctest.Wait()
	if stored, doubled := s.table.counts(); stored != want || doubled != 0 {
		s.t.Errorf("%s: stored %d, doubled %d; want %d, 0", what, stored, doubled, want)
	}
}

// end stops the drain, which has to be well.
func (s *sewer) end() {
	s.t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		s.t.Error("drain:", err)
	}
}

func TestABatchIsDeclaredThenStoredThenConfirmedWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.owned.take(1, "")
		s.seal("a", 0, 0, 3)
		s.expect("sealed", "p0=0 a[0,3)")
		s.expectStored("sealed", 3)
		s.seal("b", 1, 5, 2)
		s.expect("the next is of another partition", "p0=3 p1=5 b[5,7)")
		s.seal("c", 0, 3, 1)
		s.expect("and one of this", "p0=3 c[3,4) p1=7")
		time.Sleep(confirmAfter - time.Millisecond)
		s.expect("nothing follows")
		time.Sleep(time.Millisecond)
		s.expect("nothing follows for a second", "p0=4")
		time.Sleep(time.Hour)
		s.expect("all is said")
		want := []Confirmed{{0, 0, 3, 3}, {1, 5, 7, 2}, {0, 3, 4, 1}}
		if !slices.Equal(s.confirmed, want) {
			t.Errorf("told %v; want %v", s.confirmed, want)
		}
	})
}

// Nothing is inserted that Kafka was not told, however long that takes.
func TestWhileKafkaTakesNoCommitNothingIsInserted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.owned.take(1, "")
		s.fault(kerr.NotCoordinator)
		s.seal("a", 0, 0, 3)
		s.seal("b", 1, 5, 2)
		time.Sleep(time.Hour)
		s.expect("Kafka refuses")
		s.expectStored("Kafka refuses", 0)
		if s.retried < 100 {
			t.Errorf("%d repetitions in an hour", s.retried)
		}
		s.fault(nil)
		time.Sleep(lastBackoff + 2*confirmAfter)
		// The insert of a comes so long after it was first asked for that it is
		// asked for once more.
		s.expect("Kafka is back", "p0=0 a[0,3)", "p1=5 b[5,7)", "p0=0 a[0,3) p1=7", "p0=3")
		s.expectStored("Kafka is back", 5)
	})
}

func TestACommitOfAnOwnershipThatIsOverEndsTheDrain(t *testing.T) {
	f := func(what string, change func(*ownership), stored int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newSewer(t)
			defer s.stop()
			s.owned.take(0, "")
			s.owned.take(1, "")
			s.seal("a", 0, 0, 3)
			s.expect("owned", "p0=0 a[0,3)")
			b := <-s.lane.free // decoded under the ownership of now
			b.id = "b"
			s.put(b, 0, 3)
			s.put(b, 1, 0)
			change(s.owned)
			s.lane.full <- b
			synctest.Wait()
			s.expect(what)
			select {
			case err := <-s.done:
				if !errors.Is(err, errDoubt) {
					t.Errorf("%s: it ended with %v", what, err)
				}
			default:
				t.Errorf("%s: it goes on", what)
			}
			s.expectStored(what, stored)
		})
	}
	f("lost", func(o *ownership) { o.drop([]int32{0}) }, 3)
	f("lost, and owned anew", func(o *ownership) { o.drop([]int32{0}); o.take(0, "") }, 3)
	f("another of the batch is lost", func(o *ownership) { o.drop([]int32{1}) }, 3)
}

// What is in flight was read under one ownership, what follows under another.
func TestABatchOfAnotherOwnershipThanWhatIsPendingEndsTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.stop()
		s.owned.take(0, "")
		s.seal("a", 0, 0, 3)
		s.owned.drop([]int32{0})
		s.owned.take(0, "")
		s.seal("b", 0, 3, 3)
		if err := <-s.done; !errors.Is(err, errDoubt) || !strings.Contains(err.Error(), "p0") {
			t.Errorf("it ended with %v", err)
		}
		s.expect("of the old one only", "p0=0 a[0,3)")
	})
}

func TestNothingIsConfirmedBeforeItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.table.setFault(func([]schema.Origin) error { return io.ErrUnexpectedEOF })
		s.seal("a", 0, 0, 3)
		s.seal("b", 0, 3, 3)
		time.Sleep(time.Hour)
		s.expectNews("ClickHouse is away", "p0=0 a[0,3)", "p0=0 a[0,3) b[3,6)")
		s.table.setFault(nil)
		time.Sleep(lastBackoff + 2*confirmAfter)
		s.expectStored("back", 6)
		if got := s.said(0); got.Offset != 6 || len(got.Pending) != 0 {
			t.Errorf("back: committed %+v; want all of it", got)
		}
	})
}

// gates lets inserts through one by one.
type gates struct {
	mu   sync.Mutex
	open map[string]chan struct{}
}

func (g *gates) of(token string) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = map[string]chan struct{}{}
	}
	if g.open[token] == nil {
		g.open[token] = make(chan struct{})
	}
	return g.open[token]
}

// gate has the inserts of the tokens wait until they are let through.
func (s *sewer) gate(tokens ...string) *gates {
	g := &gates{}
	s.table.setBefore(func(ctx context.Context, token string, rows []schema.Origin) error {
		if slices.Contains(tokens, token) {
			select {
			case <-g.of(token):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return s.hold(ctx, token, rows)
	})
	return g
}

func TestAYoungerBatchIsConfirmedAfterTheOlderOnesOfItsPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.owned.take(1, "")
		g := s.gate("a", "b")
		s.seal("a", 0, 0, 3)
		b := <-s.lane.free
		b.id = "b"
		s.put(b, 0, 3)
		s.put(b, 1, 8)
		s.lane.full <- b
		s.expect("both are in flight", "p0=0 a[0,3)", "p0=0 a[0,3) b[3,4) p1=8 b[8,9)")
		close(g.of("b"))
		time.Sleep(confirmAfter)
		s.expect("the younger is stored", "p1=9")
		s.expectStored("the younger is stored", 2)
		close(g.of("a"))
		time.Sleep(confirmAfter)
		s.expect("the older too", "p0=4")
		s.expectStored("the older too", 5)
	})
}

// A batch that hangs while others overtake it: what is pending fits one
// commit's metadata, and nothing more is declared until it is stored.
func TestABatchWaitsForRoomAmongThePending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		g := s.gate("b0")
		const pending = 16
		for i := range pending {
			s.seal(fmt.Sprintf("b%d", i), 0, i, 1)
		}
		s.seal("more", 0, pending, 1)
		time.Sleep(time.Hour)
		s.expectStored("the first hangs", pending-1)
		if got := s.said(0); got.Offset != 0 || len(got.Pending) != pending {
			t.Errorf("committed %+v; want %d pending from 0", got, pending)
		}
		close(g.of("b0"))
		time.Sleep(lastBackoff + 2*confirmAfter)
		s.expectStored("it came", pending+1)
		if got := s.said(0); got.Offset != pending+1 || len(got.Pending) != 0 {
			t.Errorf("committed %+v; want all of it", got)
		}
	})
}

// ask asks for a release of the partition.
func (s *sewer) ask(partition int32, wait time.Duration) chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeoutCause(s.t.Context(), wait, errors.New("time is up"))
		defer cancel()
		r := release{partitions: []int32{partition}, wait: ctx, done: make(chan error, 1)}
		s.lane.releases <- r
		done <- <-r.done
	}()
	synctest.Wait()
	return done
}

func TestAReleaseConfirmsAtOnceAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.owned.take(1, "")
		s.seal("a", 0, 0, 3)
		s.seal("b", 1, 0, 3)
		s.expect("sealed", "p0=0 a[0,3)", "p0=3 p1=0 b[0,3)")
		if err := <-s.ask(0, time.Second); err != nil {
			t.Error(err)
		}
		s.expect("released", "p1=3")
		// Another owner had it, and somebody moved its offset back.
		s.owned.drop([]int32{0})
		s.owned.take(0, "")
		s.seal("c", 0, 1, 1)
		s.expect("owned anew", "p0=1 c[1,2)")
		if err := <-s.ask(7, time.Second); err != nil { // of which no record came
			t.Error(err)
		}
		s.expect("confirmed with any release", "p0=2")
	})
}

// A release asks for all commits: no later batch will cover one that failed.
func TestAReleaseRepeatsItsCommit(t *testing.T) {
	f := func(what string, play func(s *sewer)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newSewer(t)
			defer s.stop()
			s.owned.take(0, "")
			s.seal("a", 0, 0, 3)
			s.expect(what+": sealed", "p0=0 a[0,3)")
			play(s)
		})
	}
	f("until Kafka takes it", func(s *sewer) {
		s.fault(kerr.RebalanceInProgress)
		done := s.ask(0, 20*time.Second)
		time.Sleep(5 * time.Second)
		s.fault(nil)
		if err := <-done; err != nil {
			s.t.Error(err)
		}
		s.expect("released", "p0=3")
	})
	f("until its time is up", func(s *sewer) {
		s.fault(kerr.CoordinatorNotAvailable)
		began := time.Now()
		err := <-s.ask(0, 10*time.Second)
		if err == nil || !strings.Contains(err.Error(), "time is up") || !strings.Contains(err.Error(), "next owner settles it") {
			s.t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 10*time.Second {
			s.t.Errorf("it took %v", took)
		}
		s.expect("not released")
	})
	f("but not when it has no say any longer", func(s *sewer) {
		s.owned.drop([]int32{0})
		began := time.Now()
		if err := <-s.ask(0, 10*time.Second); !errors.Is(err, errDoubt) || time.Since(began) != 0 {
			s.t.Errorf("got %v after %v", err, time.Since(began))
		}
		s.expect("not released")
	})
}
