package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// lane owns a share of the node's partitions: their windows and the batch
// their records go to. Lanes share nothing but the breaker and the Kafka
// client; more speed is more lanes, then more nodes.
//
// Its fill goroutine owns everything up to a batch's sealing, its drain
// goroutine everything after. A batch travels free -> open -> full -> free, so
// "nothing is in flight" is "every batch is home", and a lane that has no
// batch to fill stops decoding: that is the memory bound.
type lane struct {
	id     int
	cfg    Config
	events Events
	queue  *queue
	owned  *ownership

	control chan control
	ended   chan struct{} // closed when fill has returned
	// commits asks the drain goroutine to commit all that is stored.
	commits chan commitAll
	free    chan *batch
	full    chan *batch

	// What follows belongs to the fill goroutine.
	decoder *schema.Decoder
	windows map[int32]*window // of the partitions the lane owns
	open    *batch            // nil while every batch is being stored
	overdue bool              // open is past its age, and no batch is free to follow it
	work    chunk             // being decoded
	age     *time.Timer       // runs while open has records
	serial  uint64            // of the last token
	prefix  string            // of every token: unique to this lane of this process
}

// control asks the fill goroutine for something between two records.
type control struct {
	assign  []int32
	release []int32 // stop decoding these
	cause   SealCause
	// wait makes a release last until what is in flight is stored and
	// committed, or this ends; nil does not wait.
	wait context.Context
	// done has the outcome, once.
	done chan error
}

// commitAll asks for a commit of all that is stored, before wait ends.
type commitAll struct {
	wait context.Context
	// done has the outcome, once.
	done chan error
}

func newLane(id int, cfg Config, s *schema.Schema, run string, owned *ownership, events Events, throttle func(lane int, pause bool)) *lane {
	l := &lane{
		id: id, cfg: cfg, events: events, owned: owned,
		queue:   newQueue(cfg.queueBytes(), func(pause bool) { throttle(id, pause) }),
		control: make(chan control),
		ended:   make(chan struct{}),
		commits: make(chan commitAll),
		free:    make(chan *batch, cfg.Batch.PerLane),
		full:    make(chan *batch, cfg.Batch.PerLane),
		decoder: schema.NewDecoder(s, cfg.MaxRecordBytes),
		windows: map[int32]*window{},
		age:     time.NewTimer(time.Hour),
		prefix:  fmt.Sprintf("%s-%d", run, id),
	}
	l.age.Stop()
	for range cfg.Batch.PerLane {
		l.free <- newBatch(s)
	}
	return l
}

// errLaneEnded answers a control that nobody is left to obey.
var errLaneEnded = errors.New("the lane has ended")

// tell hands c to the fill goroutine and waits for the outcome.
func (l *lane) tell(ctx context.Context, c control) error {
	c.done = make(chan error, 1)
	select {
	case l.control <- c:
		return <-c.done
	case <-l.ended:
		return errLaneEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fill decodes what is queued into batches until ctx ends.
func (l *lane) fill(ctx context.Context) error {
	defer close(l.ended)
	defer l.age.Stop()
	for {
		if l.open != nil && len(l.work.records) > 0 {
			l.decode()
			select {
			case c := <-l.control:
				c.done <- l.obey(ctx, c)
			case <-ctx.Done():
				return nil
			default:
			}
			continue
		}
		// A batch past its age is sealed only when another can follow it:
		// while ClickHouse is slow batches grow instead of queueing up.
		free, ready := l.free, l.queue.ready
		if l.open != nil && !l.overdue {
			free = nil
		}
		if l.open == nil {
			ready = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case c := <-l.control:
			c.done <- l.obey(ctx, c)
		case b := <-free:
			if l.overdue {
				l.seal(SealedByAge)
			}
			l.open = b
		case <-ready:
			l.next()
		case <-l.age.C:
			l.overdue = true
		}
	}
}

// next takes the oldest chunk from the queue.
func (l *lane) next() {
	c, ok := l.queue.pop()
	// A released partition has no window, and a lost one another epoch: what
	// is still queued of them is no longer this lane's to store.
	if ok && l.windows[c.partition] != nil && l.owned.epoch(c.partition) == c.epoch {
		l.work = c
	}
}

// A step of decoding is small enough that control is obeyed at once and a batch
// hardly outgrows its bound, and large enough that counting the batch's bytes
// costs nothing per record.
const (
	decodeStep      = 256       // records
	decodeStepBytes = 256 << 10 // but for the record that crosses it
)

// clockSkew is how far the clock of who sent a record may be ahead of the
// node's.
const clockSkew = time.Minute

// arrival returns when the record came to Kafka, in milliseconds. Whoever sent
// it may have given no time (-1), or one yet to come; neither may decide which
// events are credible, nor how long identities are remembered. Such a record
// comes as it is read: its row has another _ingested_at if it is read again,
// which its batch's token does not depend on.
func arrival(r *kgo.Record, now time.Time) int64 {
	at := r.Timestamp.UnixMilli()
	if at < 0 || at > now.Add(clockSkew).UnixMilli() {
		return now.UnixMilli()
	}
	return at
}

// decode moves some of the chunk at work into the open batch, and seals it if
// it is full.
func (l *lane) decode() {
	now := time.Now()
	if l.open.empty() {
		l.open.opened = now
		l.age.Reset(l.cfg.Batch.Age)
	}
	most := min(decodeStep, len(l.work.records), max(1, l.cfg.Batch.Rows-l.open.rows))
	n := 0
	for size := 0; n < most && size < decodeStepBytes; n++ {
		r := l.work.records[n]
		l.record(r, arrival(r, now))
		l.open.account(r, l.work.epoch)
		size += len(r.Value)
	}
	if l.work.records = l.work.records[n:]; len(l.work.records) == 0 {
		l.work = chunk{}
	}
	switch {
	case l.open.rows >= l.cfg.Batch.Rows:
		l.seal(SealedByRows)
	case l.open.bytes() >= l.cfg.batchBytes():
		l.seal(SealedByBytes)
	}
}

// record decodes one record into the open batch: as a row, a duplicate or a
// reject.
func (l *lane) record(r *kgo.Record, at int64) {
	// Nearly every event is of the day it arrives on; the others are moved.
	guess := schema.DayOf(at)
	block := l.open.day(guess)
	key, err := l.decoder.Decode(schema.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: at, Value: r.Value}, block)
	if err != nil {
		l.reject(r, err)
		return
	}
	dup, shrunk := l.windows[r.Partition].seen(key.Identity, at, max(1, l.cfg.Dedup.Blocks/2/len(l.windows)))
	if shrunk {
		l.events.DedupShrunk(l.id)
	}
	switch {
	case dup:
		block.Undo()
		l.open.duplicates++
		return
	case key.Day != guess:
		block.MoveLast(l.open.day(key.Day))
	}
	l.open.rows++
	if key.Extra {
		l.open.extra++
	}
}

func (l *lane) reject(r *kgo.Record, err error) {
	var why *schema.Rejection
	if !errors.As(err, &why) {
		panic(fmt.Sprintf("BUG: decoder returned %v", err))
	}
	l.open.reject(r, why)
	l.events.Rejected(Rejected{Partition: r.Partition, Offset: r.Offset, Rejection: why})
}

// seal hands the open batch to the drain goroutine.
func (l *lane) seal(cause SealCause) {
	b := l.open
	l.serial++
	b.token = fmt.Sprintf("%s-%d", l.prefix, l.serial)
	l.events.Sealed(Sealed{Lane: l.id, Cause: cause, Records: b.records(), Rows: b.rows, Duplicates: b.duplicates,
		Rejects: len(b.rejects), Extra: b.extra, Bytes: b.bytes(), Age: time.Since(b.opened)})
	l.open, l.overdue = nil, false
	l.age.Stop()
	l.full <- b // has room for every batch there is
}

// obey carries out a control.
func (l *lane) obey(ctx context.Context, c control) error {
	for _, p := range c.assign {
		l.windows[p] = newWindow(l.cfg.Dedup.Window)
	}
	if len(c.release) == 0 {
		return nil
	}
	for _, p := range c.release {
		delete(l.windows, p)
		if l.work.partition == p {
			l.work = chunk{}
		}
	}
	if l.open != nil && !l.open.empty() {
		l.seal(c.cause)
	}
	if c.wait == nil {
		return nil
	}
	return l.settle(ctx, c.wait)
}

// settle waits until every batch is home, so that nothing is in flight, and
// until what came of them is committed: a commit that failed on the way has no
// later one to cover it.
func (l *lane) settle(ctx, wait context.Context) error {
	var home []*batch
	if l.open != nil {
		home = append(home, l.open)
		l.open = nil
	}
	defer func() {
		for _, b := range home {
			l.free <- b
		}
	}()
	for len(home) < l.cfg.Batch.PerLane {
		select {
		case b := <-l.free:
			home = append(home, b)
		case <-ctx.Done():
			return errLaneEnded
		case <-wait.Done():
			return fmt.Errorf("lane %d: %d batches not stored in time; they are read again: %w", l.id, l.cfg.Batch.PerLane-len(home), context.Cause(wait))
		}
	}
	c := commitAll{wait: wait, done: make(chan error, 1)}
	select {
	case l.commits <- c:
	case <-ctx.Done():
		return errLaneEnded
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return errLaneEnded
	}
}
