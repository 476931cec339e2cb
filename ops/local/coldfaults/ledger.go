package coldfaults

import (
	"fmt"
	"slices"
	"sync"

	"penstock/schema"
)

// batch is what one insert stores: rows of one day, numbered from
// id * [batchRows] on. An insert is one block of one partition, so all of it is
// there or nothing.
type batch struct {
	id   uint64
	day  schema.Day
	rows uint64
	// of is the batch whose first rows this one repeats, as devices do that send
	// again; the batch itself if it repeats none.
	of uint64
	// hash is the sum over the rows of a hash of all columns.
	hash uint64
}

func (b batch) resend() bool { return b.of != b.id }

// sight is what a look finds of one batch.
type sight struct {
	rows, places uint64 // count() and uniqExact(_offset)
	hash         uint64 // 0 if the look did not ask for it
}

// look is one query of the analysts' view, by batch.
type look struct {
	day    *schema.Day // that it asked for; nil for all
	hashed bool
	seen   map[uint64]sight
}

// verdict is what is wrong with a look, in rows.
type verdict struct {
	Missing, Duplicated uint64
	Findings            []string // at most a few
}

func (v verdict) ok() bool { return len(v.Findings) == 0 }

// ledger knows what was stored, and judges looks by it from both sides: what
// was acknowledged before a look began has to be in it, and what was not begun
// when it ended must not.
type ledger struct {
	mu      sync.Mutex
	batches map[uint64]*entry // guarded by mu
}

// entry is a batch and how much of it is certain.
type entry struct {
	batch
	// stored: the insert was acknowledged, or a look has seen all of it. From
	// then on every look has to.
	stored bool
}

func newLedger() *ledger { return &ledger{batches: map[uint64]*entry{}} }

// begin enters a batch whose insert is about to be sent.
func (l *ledger) begin(b batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches[b.id] = &entry{batch: b}
}

// acknowledged enters that the insert was answered.
func (l *ledger) acknowledged(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches[id].stored = true
}

// certain returns the batches that a look which begins now has to show.
func (l *ledger) certain() map[uint64]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[uint64]bool, len(l.batches))
	for id, e := range l.batches {
		if e.stored {
			out[id] = true
		}
	}
	return out
}

// original returns any stored batch that resends nothing and has at least so
// many rows, chosen by pick from a number of them; false if there is none.
func (l *ledger) original(rows uint64, pick func(n int) int) (batch, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []uint64
	for id, e := range l.batches {
		if e.stored && !e.resend() && e.rows >= rows {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return batch{}, false
	}
	slices.Sort(ids) // so that the choice is the seed's
	return l.batches[ids[pick(len(ids))]].batch, true
}

// totals are the rows that are certain, of batches and of resends.
func (l *ledger) totals() (rows, resent uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.batches {
		switch {
		case !e.stored:
		case e.resend():
			resent += e.rows
		default:
			rows += e.rows
		}
	}
	return rows, resent
}

// judge holds a look against what was certain when it began and what is known
// now that it has ended. A resend may be shown once or, when a cold file has
// its original, not at all.
func (l *ledger) judge(k look, certain map[uint64]bool) (v verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := func(format string, args ...any) {
		if len(v.Findings) < maxFindings {
			v.Findings = append(v.Findings, fmt.Sprintf(format, args...))
		}
	}
	for id := range certain {
		e := l.batches[id]
		if k.day != nil && e.day != *k.day || e.resend() {
			continue
		}
		if s := k.seen[id]; s.places < e.rows {
			v.Missing += e.rows - s.places
			found("batch %d of %v: %d of %d rows are missing", id, e.day, e.rows-s.places, e.rows)
		}
	}
	for id, s := range k.seen {
		e := l.batches[id]
		if e == nil {
			v.Duplicated += s.rows
			found("%d rows of batch %d, which nobody stored", s.rows, id)
			continue
		}
		if s.rows > s.places {
			v.Duplicated += s.rows - s.places
			found("batch %d of %v: %d rows are %d places", id, e.day, s.rows, s.places)
		}
		if s.places > e.rows {
			v.Duplicated += s.places - e.rows
			found("batch %d of %v: %d places of %d rows", id, e.day, s.places, e.rows)
		}
		if e.resend() {
			continue
		}
		if s.places < e.rows && !certain[id] {
			found("batch %d of %v: %d of %d rows of an insert that is one block", id, e.day, s.places, e.rows)
		}
		if k.hashed && s.rows == e.rows && s.hash != e.hash {
			found("batch %d of %v: the columns' hash is %d, %d was stored", id, e.day, s.hash, e.hash)
		}
		if s.places == e.rows {
			e.stored = true
		}
	}
	return v
}

// maxFindings bounds what a look says: one fault shows in many batches.
const maxFindings = 4
