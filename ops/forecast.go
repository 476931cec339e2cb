package ops

import "time"

// forecast is when a node will have caught up, by what it did of late.
//
// What it has done and what has arrived are counted over all partitions it ever
// had, so that a partition that comes or goes is no jump. Rates are those between
// the ends of a window that moves: a node commits a batch a second or so, and a
// window of some batches is smooth without a constant to be tuned.
type forecast struct {
	done, arrived int64     // records, ever
	began         time.Time // when there was the first thing to do
	marks         []mark    // of commits, oldest first
}

// mark is what was counted when something was committed.
type mark struct {
	at            time.Time
	done, arrived int64
}

const (
	// rateWindow is what rates are taken over. Shorter: the forecast follows a
	// change sooner. Longer: it is calmer.
	rateWindow = 10 * time.Second
	// markEvery bounds the marks that are kept.
	markEvery = 250 * time.Millisecond
	// leastWindow is how much has to be known before a rate is told: some commits.
	leastWindow = time.Second
	// stalledAfter is how long nothing has to be committed before that is a rate,
	// too. Longer than a batch and its insert take.
	stalledAfter = 5 * time.Second
	// farthest is the longest forecast. What takes longer is noise around a
	// backlog that stands still.
	farthest = 7 * 24 * time.Hour
)

// commit notes that something was committed.
func (f *forecast) commit(now time.Time) {
	if n := len(f.marks); n > 0 && now.Sub(f.marks[n-1].at) < markEvery {
		return
	}
	f.marks = append(f.marks, mark{now, f.done, f.arrived})
	for len(f.marks) > 2 && now.Sub(f.marks[1].at) >= rateWindow {
		f.marks = f.marks[1:]
	}
}

// rates returns the records a second that were done and that arrived, and false
// while too little is known.
func (f *forecast) rates(now time.Time) (done, arriving float64, known bool) {
	var from, to mark
	if n := len(f.marks); n > 0 {
		from, to = f.marks[0], f.marks[n-1]
	} else {
		from = mark{at: f.began}
		to = from
	}
	if from.at.IsZero() {
		return 0, 0, false
	}
	if now.Sub(to.at) >= stalledAfter {
		to = mark{now, f.done, f.arrived}
	}
	seconds := to.at.Sub(from.at).Seconds()
	if seconds < leastWindow.Seconds() {
		return 0, 0, false
	}
	return float64(to.done-from.done) / seconds, float64(to.arrived-from.arrived) / seconds, true
}

// left returns how long so many records will take, at rates in records a second,
// while more arrive. It is false if they do not become fewer.
func left(todo int64, done, arriving float64) (time.Duration, bool) {
	if todo <= 0 {
		return 0, true
	}
	seconds := float64(todo) / (done - arriving)
	if done <= arriving || seconds > farthest.Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
