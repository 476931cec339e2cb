package state

import (
	"math"
	"time"
)

// window is a history that is being made: samples that are over, and counts of the
// one that is not. It reads no clock, and is used by one goroutine at a time.
type window struct {
	ends   time.Time // when the open one will be over; zero before the first
	open   counts
	closed []counts // oldest first
	// samples are those of the closed ones, as far as HistoryFor goes back. A count
	// is dropped sooner: rates and quantiles are of the last minute.
	samples []Sample
}

// counts are what happened within a sample.
type counts struct {
	read, readBytes, stored, storedBytes float64
	inserts, insertSeconds, retries      float64
	duplicates, rejected                 float64
	sealed, sealedRejects                int64 // records of batches
	ages                                 ages
}

const (
	// ratesOver is how many samples rates are taken over; freshOver quantiles, and
	// what is rejected: by that minute rejects.share judges, unless it is set otherwise.
	ratesOver = 6
	freshOver = 12
)

// roll closes the samples that are over by now; standing says how it was at the end
// of one.
func (w *window) roll(now time.Time, standing func(time.Time) (oldest time.Duration, lag int64)) {
	if w.ends.IsZero() || now.Sub(w.ends) > HistoryFor {
		w.ends = now.Truncate(SampleEvery).Add(SampleEvery)
		w.samples, w.closed, w.open = nil, nil, counts{}
	}
	for ; !now.Before(w.ends); w.ends = w.ends.Add(SampleEvery) {
		oldest, lag := standing(w.ends)
		c := w.open
		s := Sample{
			At: w.ends.UTC(), Oldest: oldest.Seconds(), Lag: lag,
			Read: c.read / SampleEvery.Seconds(), Stored: c.stored / SampleEvery.Seconds(), Rejected: c.rejected / SampleEvery.Seconds(),
		}
		s.P50, s.P99 = c.ages.quantiles()
		w.samples = keep(append(w.samples, s), int(HistoryFor/SampleEvery))
		w.closed = keep(append(w.closed, c), freshOver)
		w.open = counts{}
	}
}

// keep returns the last of all, at most so many.
func keep[T any](all []T, most int) []T { return all[max(0, len(all)-most):] }

// rates are over the last samples.
func (w *window) rates() Rates {
	var c counts
	last := keep(w.closed, ratesOver)
	for _, one := range last {
		c.read += one.read
		c.readBytes += one.readBytes
		c.stored += one.stored
		c.storedBytes += one.storedBytes
		c.inserts += one.inserts
		c.insertSeconds += one.insertSeconds
		c.retries += one.retries
		c.duplicates += one.duplicates
		c.rejected += one.rejected
	}
	seconds := max(1, float64(len(last))*SampleEvery.Seconds())
	return Rates{
		Read: c.read / seconds, ReadBytes: c.readBytes / seconds, Stored: c.stored / seconds, StoredBytes: c.storedBytes / seconds,
		Inserts: c.inserts / seconds, InsertSeconds: c.insertSeconds / max(1, c.inserts), Retries: c.retries / seconds,
		Duplicates: c.duplicates / seconds, Rejected: c.rejected / seconds,
	}
}

// fresh returns the quantiles of the last minute.
func (w *window) fresh() (p50, p99 *float64) {
	all := w.open.ages
	for i := range w.closed {
		all.merge(&w.closed[i].ages)
	}
	return all.quantiles()
}

// sealed returns the records of the last minute's batches, and how many are rejected.
func (w *window) sealed() (records, rejects int64) {
	records, rejects = w.open.sealed, w.open.sealedRejects
	for i := range w.closed {
		records += w.closed[i].sealed
		rejects += w.closed[i].sealedRejects
	}
	return records, rejects
}

// ages count rows by how old they were: a bucket's bound is a fifth above the one
// before, from 10 ms to nine days, so a quantile is off by a tenth at most.
type ages [101]float64

const (
	leastAge  = 0.01
	ageFactor = 1.2
)

func (a *ages) add(age time.Duration, rows int) {
	bucket := 0
	if s := age.Seconds(); s > leastAge {
		bucket = min(len(a)-1, int(math.Ceil(math.Log(s/leastAge)/math.Log(ageFactor))))
	}
	a[bucket] += float64(rows)
}

func (a *ages) merge(other *ages) {
	for i := range a {
		a[i] += other[i]
	}
}

// quantiles returns the median and the 99th centile in seconds, nil if nothing was
// counted.
func (a *ages) quantiles() (p50, p99 *float64) {
	total := 0.0
	for _, n := range a {
		total += n
	}
	if total == 0 {
		return nil, nil
	}
	at := func(q float64) *float64 {
		below, i := 0.0, 0
		for ; i < len(a)-1 && below+a[i] < q*total; i++ {
			below += a[i]
		}
		high := leastAge * math.Pow(ageFactor, float64(i))
		low := high / ageFactor
		if i == 0 {
			low = 0
		}
		age := low + (high-low)*min(1, max(0, (q*total-below)/a[i]))
		return &age
	}
	return at(0.5), at(0.99)
}
