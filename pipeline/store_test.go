package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"penstock/schema"
)

var errRefused = &ch.Exception{Code: proto.ErrViolatedConstraint, Name: "DB::Exception", Message: "constraint"}

// An answer that is lost may have been a yes: the receipts tell, and nothing is
// inserted again.
func TestALostAnswerIsFoundInTheReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.table.lose = 1
		inserts := 0
		s.table.setBefore(func(ctx context.Context, token string, rows []schema.Origin) error {
			inserts++
			return s.hold(ctx, token, rows)
		})
		s.seal("a", 0, 0, 3)
		time.Sleep(time.Minute)
		s.expect("stored", "p0=0 a[0,3)", "p0=3")
		s.expectStored("stored", 3)
		if got := s.inserted; inserts != 1 || len(got) != 1 || !got[0].Found || got[0].Attempts != 2 || got[0].Rows != 3 {
			t.Errorf("%d inserts, told of %+v; want one, found at the second attempt", inserts, got)
		}
	})
}

// The table remembers so many tokens, and others are spent while the answer to
// one is awaited: the token protects no longer, and the receipts do.
func TestATokenThatIsForgottenDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.table.window, s.table.lose = 2, 1
		attempts := 0
		s.table.setBefore(func(ctx context.Context, token string, rows []schema.Origin) error {
			if token == "a" {
				if attempts++; attempts == 2 {
					t.Error("stored rows are inserted again")
				}
			}
			return s.hold(ctx, token, rows)
		})
		s.owned.take(1, "")
		s.seal("a", 0, 0, 3)
		for i := range 5 {
			s.seal(fmt.Sprintf("b%d", i), 1, i, 1)
		}
		time.Sleep(time.Minute)
		s.expectStored("answered", 8)
		if slices.Contains(s.table.spent(), "a@2026-11-23") {
			t.Error("the token is still remembered, so this shows nothing")
		}
		if got := s.said(0); got.Offset != 3 || len(got.Pending) > 0 {
			t.Errorf("committed %+v", got)
		}
	})
}

// A server that dies may keep a token whose rows it loses. It then acknowledges
// a repetition, and stores nothing: the rows go under another id.
func TestATokenThatIsSpentWithoutItsRowsLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.owned.take(1, "")
		s.table.crash = 2 // also under the second id
		b := <-s.lane.free
		b.id = "run-0-1"
		for i := range 3 {
			s.put(b, 0, i)
			s.put(b, 1, i)
		}
		s.lane.full <- b
		time.Sleep(time.Minute)
		s.expect("stored at last", "p0=0 run-0-1[0,3) p1=0 run-0-1[0,3)", "p0=0 run-0-1.1[0,3) p1=0 run-0-1.1[0,3)",
			"p0=0 run-0-1.2[0,3) p1=0 run-0-1.2[0,3)", "p0=3 p1=3")
		s.expectStored("stored at last", 6)
		want := []string{"run-0-1.1@2026-11-23", "run-0-1.2@2026-11-23", "run-0-1@2026-11-23"}
		if got := s.table.spent(); !slices.Equal(got, want) {
			t.Errorf("tokens %v; want %v", got, want)
		}
	})
}

// While the receipts do not answer, nobody knows whether a repetition is safe.
func TestNothingIsRepeatedUntilTheReceiptsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.table.lose = 1
		s.table.deaf = 20
		inserts := 0
		s.table.setBefore(func(ctx context.Context, token string, rows []schema.Origin) error {
			inserts++
			return s.hold(ctx, token, rows)
		})
		s.seal("a", 0, 0, 3)
		time.Sleep(10 * time.Minute)
		s.expectStored("answered", 3)
		if inserts != 1 || s.table.deaf != 0 {
			t.Errorf("%d inserts, and %d questions are left unanswered; want one and none", inserts, s.table.deaf)
		}
	})
}

// The server refuses rows together that it takes in smaller numbers: it takes
// what it can under the token, and the rest has ids of its own, each declared.
func TestRowsRefusedTogetherGoOnUnderAnotherID(t *testing.T) {
	f := func(what string, lose int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newSewer(t)
			defer s.end()
			s.owned.take(0, "")
			s.table.setFault(func(rows []schema.Origin) error {
				if len(rows) > 2 {
					return errRefused
				}
				return nil
			})
			s.table.lose = lose
			s.seal("run-0-1", 0, 0, 8)
			time.Sleep(time.Minute)
			s.expect(what, "p0=0 run-0-1[0,8)", "p0=0 run-0-1.1[0,8)", "p0=0 run-0-1.2[0,8)", "p0=0 run-0-1.3[0,8)", "p0=0 run-0-1.4[0,8)", "p0=8")
			s.expectStored(what, 8)
		})
	}
	f("answered", 0)
	f("answers lost", 4)
}

// Nothing is sent long after Kafka was asked: a node that was thrown out meanwhile
// learns of it before it stores what is another's.
func TestAnInsertThatIsRepeatedForLongAsksKafkaAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.stop()
		s.owned.take(0, "")
		inserts := 0
		s.table.setFault(func([]schema.Origin) error { inserts++; return errNotSent })
		s.seal("a", 0, 0, 3)
		commits := func() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.commits) }
		time.Sleep(30 * time.Second)
		if got := commits(); got != 1 {
			t.Errorf("%d commits within clickhouse.insert_timeout; want one", got)
		}
		time.Sleep(60 * time.Second)
		if got := commits(); got < 2 || got > 3 {
			t.Errorf("%d commits in three times clickhouse.insert_timeout; want 2 or 3", got)
		}
		s.expectNews("nothing else is said", "p0=0 a[0,3)")
		s.fault(errDoubt)
		time.Sleep(31*time.Second + lastBackoff)
		select {
		case err := <-s.done:
			if !errors.Is(err, errDoubt) {
				t.Errorf("thrown out, it ended with %v", err)
			}
		default:
			t.Errorf("thrown out, it goes on, with %d inserts", inserts)
		}
	})
}

// Nor is anything sent once the receipts took too long to say that it is missing.
func TestAnInsertDoesNotBeginLongAfterKafkaWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		began, late := time.Now(), 0
		s.table.ponder = 40 * time.Second
		s.table.setFault(func([]schema.Origin) error {
			if since := time.Since(began); since > 30*time.Second && since < 5*time.Minute {
				late++
			}
			return io.ErrUnexpectedEOF
		})
		s.seal("a", 0, 0, 3)
		time.Sleep(5 * time.Minute)
		if late > 0 {
			t.Errorf("%d attempts began later than clickhouse.insert_timeout after Kafka was asked", late)
		}
		s.table.mu.Lock()
		s.table.ponder, s.table.fault = 0, nil
		s.table.mu.Unlock()
		time.Sleep(2 * time.Minute)
		s.expectStored("the receipts answer soon", 3)
	})
}

// A row that was refused alone may be stored after all, by the whole that was sent
// before and came when nothing was refused any more: then it is no dead letter.
func TestARefusedRowThatTheWholeHasStoredIsNoDeadLetter(t *testing.T) {
	all := newTable()
	s := storeInto(all)
	at := place{0, schema.DayOf(curtain.UnixMilli())}
	block := schema.NewBlock(schema.Telemetry())
	decoder := schema.NewDecoder(schema.Telemetry(), schema.JSON, 1000)
	for i := range 2 {
		r := schema.Record{Offset: int64(i), Time: curtain.UnixMilli(), Value: []byte(eventAt("d", i, curtain))}
		if _, err := decoder.Decode(r, block); err != nil {
			t.Fatal(err)
		}
	}
	all.setFault(func(rows []schema.Origin) error {
		if rows[0].Offset == 0 {
			return errRefused
		}
		return all.store("b", block, []schema.Origin{{Offset: 0}, {Offset: 1}})
	})
	out, err := s.insertSome(t.Context(), &inquiry{at: time.Now()}, "b", at, block, false)
	if err != nil || out.left != nil || len(out.rejected) > 0 || out.unspent {
		t.Errorf("%+v, %v; want that all is stored, and nothing dead-lettered", out, err)
	}
}

// What was not answered may be stored yet, and a smaller insert under its token
// would be taken for it: nobody can say what is stored until it is settled.
func TestARefusalAfterALostAnswerIsADoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.stop()
		s.owned.take(0, "")
		attempts := 0
		s.table.setFault(func([]schema.Origin) error {
			if attempts++; attempts == 1 {
				return io.EOF
			}
			return errRefused
		})
		s.seal("a", 0, 0, 3)
		time.Sleep(time.Minute)
		if err := <-s.done; !errors.Is(err, errDoubt) || !strings.Contains(err.Error(), "constraint") {
			t.Errorf("it ended with %v", err)
		}
		s.expect("declared, and no more", "p0=0 a[0,3)")
	})
}

func TestARefusedRecordIsReadAgainUntilItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.stop()
		s.owned.take(0, "")
		s.table.setFault(func([]schema.Origin) error { return errRefused })
		tries := 0
		for _, st := range s.stores {
			st.reread = func(context.Context, schema.Origin) (reject, error) {
				if tries++; tries < 10 {
					return reject{}, io.EOF
				}
				return reject{}, fmt.Errorf("p0@0: %w", errRecordGone)
			}
		}
		s.seal("a", 0, 0, 1)
		err := <-s.done
		if tries != 10 || !errors.Is(err, errRecordGone) || !strings.Contains(err.Error(), "retention") {
			t.Errorf("after %d tries: %v; want it to give up only on a record that is gone", tries, err)
		}
		s.expect("declared, and no more", "p0=0 a[0,1)")
	})
}

// A batch of two days is two inserts, and one token in each.
func TestABatchOfTwoDaysHalfStoredIsStoredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		b := <-s.lane.free
		b.id = "a"
		s.put(b, 0, 0)
		noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		s.putAt(b, 0, 1, noon)
		failed := false
		s.table.setFault(func(rows []schema.Origin) error {
			if rows[0].Offset == 1 && !failed {
				failed = true
				return io.EOF
			}
			return nil
		})
		s.lane.full <- b
		time.Sleep(time.Minute)
		s.expect("stored", "p0=0 a[0,2)", "p0=2")
		s.expectStored("stored", 2)
		if got, want := s.table.spent(), []string{"a@2026-11-22", "a@2026-11-23"}; !slices.Equal(got, want) {
			t.Errorf("tokens %v; want %v", got, want)
		}
	})
}
