package canary

import (
	"cmp"
	"slices"
	"time"
)

// Canary is one event.
type Canary struct {
	Partition int32
	// Number is the identity within the device, At the event's own time in Unix
	// milliseconds. Both grow from one canary to the next: partition and time say
	// which one a row is, whatever the schema has for an identity.
	Number uint64
	At     int64
	// Begun is when it was about to be produced.
	Begun time.Time
}

// key is by what a canary is known.
type key struct {
	partition int32
	at        int64
}

func (c Canary) key() key { return key{c.Partition, c.At} }

// fate is how far a canary has come.
type fate int

const (
	sending fate = iota // not acknowledged yet
	sent                // acknowledged, not seen yet
	failed              // not acknowledged within the limit, or refused
	lost                // acknowledged, and not seen within the limit
)

// entry is a canary on its way, or one that was given up and may be seen yet.
type entry struct {
	Canary
	fate fate
}

// book knows which canaries are on their way. It does no I/O and reads no clock.
//
// Invariant: a canary is seen, failed or lost exactly once; one that is seen after
// that is told as late, and counted no more.
type book struct {
	limit time.Duration

	turn   int // of the partitions
	number uint64
	at     int64
	all    map[key]*entry
	// given are those of all that were given up, oldest first.
	given []key
}

// givenMost bounds how many canaries that were given up are waited for still: a
// quarter of an hour of them at one a second.
const givenMost = 1_000

// newBook returns a book whose numbers begin at a time. Two watchers that begin
// within a millisecond of one another would send the same.
func newBook(limit time.Duration, now time.Time) *book {
	return &book{limit: limit, number: uint64(now.UnixMilli()), all: map[key]*entry{}}
}

// begin returns the next canary, for the partition whose turn it is. A clock that is
// set back does not take a canary's time back.
func (b *book) begin(now time.Time, partitions int) Canary {
	b.turn = (b.turn + 1) % partitions
	b.number++
	b.at = max(b.at+1, now.UnixMilli())
	c := Canary{Partition: int32(b.turn), Number: b.number, At: b.at, Begun: now}
	b.all[c.key()] = &entry{Canary: c}
	return c
}

// acknowledged notes that Kafka has it. One that was given up meanwhile stays so.
func (b *book) acknowledged(c Canary) {
	if e := b.all[c.key()]; e != nil && e.fate == sending {
		e.fate = sent
	}
}

// refused notes that Kafka will not take it, and reports whether it was given up by
// that: it may be already.
func (b *book) refused(c Canary) bool {
	e := b.all[c.key()]
	if e == nil || e.fate != sending {
		return false
	}
	b.give(e, failed)
	return true
}

// give gives a canary up.
func (b *book) give(e *entry, as fate) {
	e.fate = as
	b.given = append(b.given, e.key())
	if len(b.given) > givenMost {
		delete(b.all, b.given[0])
		b.given = b.given[1:]
	}
}

// expired gives up what is past the limit, and returns it, oldest first.
func (b *book) expired(now time.Time) (failures, losses []Canary) {
	for _, e := range b.waiting() {
		if now.Sub(e.Begun) < b.limit {
			continue
		}
		if e.fate == sending {
			b.give(e, failed)
			failures = append(failures, e.Canary)
		} else {
			b.give(e, lost)
			losses = append(losses, e.Canary)
		}
	}
	return failures, losses
}

// waiting returns what is neither seen nor given up, oldest first.
func (b *book) waiting() (all []*entry) {
	for _, e := range b.all {
		if e.fate == sending || e.fate == sent {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(x, y *entry) int { return cmp.Compare(x.At, y.At) })
	return all
}

// awaited returns the canaries to look for, of the partitions that mine says: those
// that are acknowledged, or also those that were given up.
func (b *book) awaited(mine func(partition int32) bool, givenToo bool) (all []Canary) {
	for _, e := range b.all {
		if mine(e.Partition) && (e.fate == sent || givenToo && e.fate != sending) {
			all = append(all, e.Canary)
		}
	}
	slices.SortFunc(all, func(x, y Canary) int { return cmp.Compare(x.At, y.At) })
	return all
}

// seen notes that a canary's row was seen. Known is whether it is on its way, or was
// given up before, and then late.
func (b *book) seen(k key) (c Canary, late, known bool) {
	e := b.all[k]
	if e == nil || e.fate == sending {
		return Canary{}, false, false
	}
	delete(b.all, k)
	if late = e.fate != sent; late {
		b.given = slices.DeleteFunc(b.given, func(one key) bool { return one == k })
	}
	return e.Canary, late, true
}
