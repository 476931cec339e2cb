package loadtest

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"
)

// arriving is a table whose content depends on the time since start.
type arriving struct {
	upgraded // asked for nothing: no fleet here has an upgrade
	start    time.Time
	at       func(time.Duration) (*memory, error)
	asked    int // proofs made
}

func (a *arriving) Count(ctx context.Context, ids idRange) (uint64, error) {
	m, err := a.at(time.Since(a.start))
	if err != nil {
		return 0, err
	}
	return m.Count(ctx, ids)
}

func (a *arriving) Devices(ctx context.Context, ids idRange) iter.Seq2[deviceRows, error] {
	a.asked++
	m, err := a.at(time.Since(a.start))
	if err != nil {
		return func(yield func(deviceRows, error) bool) { yield(deviceRows{}, err) }
	}
	return m.Devices(ctx, ids)
}

func (a *arriving) Readings(ctx context.Context, ids idRange) iter.Seq2[readingRows, error] {
	m, err := a.at(time.Since(a.start))
	if err != nil {
		return func(yield func(readingRows, error) bool) { yield(readingRows{}, err) }
	}
	return m.Readings(ctx, ids)
}

func TestVerificationWaits(t *testing.T) {
	sent := Sent{Run: "t", Seqs: []uint32{3, 2}}
	whole := sent.whole()
	fewer := sent.whole()
	fewer.remove(sent.id(0), 1)
	twice := sent.whole() // as many rows as sent, but one of them missing
	twice.remove(sent.id(0), 1)
	twice.rows = append(twice.rows, twice.rows[0])
	away := errors.New("connection refused")

	f := func(name string, at func(time.Duration) (*memory, error), prepare func(*verification), wantAfter time.Duration, want Proof, wantErr error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			table := &arriving{start: time.Now(), at: at}
			v := &verification{sent: sent, table: table, queues: newVisibility(), ledger: newLedger(true)}
			prepare(v)
			got, _, _, err := v.run(t.Context(), 30*time.Second)
			got.Examples = nil
			took := time.Since(table.start)
			if got.Stored != want.Stored || got.Missing != want.Missing || got.Duplicated != want.Duplicated || !errors.Is(err, wantErr) {
				t.Errorf("%s: got %+v, %v; want %+v, %v", name, got, err, want, wantErr)
			}
			if took < wantAfter || took > wantAfter+2*verifyEvery {
				t.Errorf("%s: took %v, want %v", name, took, wantAfter)
			}
		})
	}
	always := func(m *memory) func(time.Duration) (*memory, error) {
		return func(time.Duration) (*memory, error) { return m, nil }
	}
	after10s := func(before *memory, err error) func(time.Duration) (*memory, error) {
		return func(d time.Duration) (*memory, error) {
			if d < 10*time.Second {
				return before, err
			}
			return whole, nil
		}
	}
	nothing := func(*verification) {}
	f("all there", always(whole), nothing, 0, Proof{Stored: 5}, nil)
	f("one comes later", after10s(fewer, nil), nothing, 10*time.Second, Proof{Stored: 5}, nil)
	f("one comes later, behind a duplicate", after10s(twice, nil), nothing, 10*time.Second, Proof{Stored: 5}, nil)
	f("ClickHouse comes back", after10s(nil, away), nothing, 10*time.Second, Proof{Stored: 5}, nil)
	f("one never comes", always(fewer), nothing, 30*time.Second, Proof{Stored: 4, Missing: 1}, nil)
	f("ClickHouse never comes back", func(time.Duration) (*memory, error) { return nil, away }, nothing, 30*time.Second, Proof{}, away)
	f("a duplicate does not go away", always(func() *memory {
		m := sent.whole()
		m.rows = append(m.rows, m.rows[0])
		return m
	}()), nothing, 0, Proof{Stored: 6, Duplicated: 1}, nil)
	f("a reading is not visible yet", always(whole), func(v *verification) {
		v.queues.produced(0, 0, time.Now())
		time.AfterFunc(5*time.Second, func() { v.queues.arrived(upTo(0, 0, 0), time.Now()) })
	}, 5*time.Second, Proof{Stored: 5}, nil)
	f("a dead letter is not written yet", always(whole), func(v *verification) {
		v.letters = &deadLetters{reasons: map[coordinate]string{}}
		v.ledger.acked(record{kind: malformed}, coordinate{0, 7})
		time.AfterFunc(5*time.Second, func() {
			v.letters.mu.Lock()
			defer v.letters.mu.Unlock()
			v.letters.reasons[coordinate{0, 7}] = "malformed"
		})
	}, 5*time.Second, Proof{Stored: 5}, nil)
}

// TestVerificationAsksLittle: the costly proof is made when a cheap count says
// that it could succeed.
func TestVerificationAsksLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := Sent{Run: "t", Seqs: []uint32{3}}
		fewer := sent.whole()
		fewer.remove(sent.id(0), 2)
		table := &arriving{start: time.Now(), at: func(time.Duration) (*memory, error) { return fewer, nil }}
		v := &verification{sent: sent, table: table, queues: newVisibility(), ledger: newLedger(true)}
		if _, _, _, err := v.run(t.Context(), 30*time.Second); err != nil || table.asked != 1 {
			t.Errorf("%d proofs made, %v; want one, at the deadline", table.asked, err)
		}
	})
}
