package pipeline

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/failpoint"
)

// A step of decoding is small enough that control is obeyed at once and a batch
// hardly outgrows its bound, and large enough that counting the batch's bytes
// costs nothing per record.
const (
	decodeStep      = 256       // records
	decodeStepBytes = 256 << 10 // but for the record that crosses it
)

// firstAge is the age of a batch that has the first records of a partition since
// it is the lane's. Together with the commit and the insert it ends the stall of
// a rebalance.
const firstAge = 100 * time.Millisecond

// await says how long the open batch waits, now that it gets some of the chunk.
func (l *lane) await(c *chunk, t *tenant, now time.Time) {
	var newest time.Duration // how old it is; of no account if nothing follows it
	switch {
	case c.isGap():
		newest = l.cfg.Batch.Behind
	case !c.last:
		newest = now.Sub(time.UnixMilli(arrival(c.records[len(c.records)-1], now)))
	}
	age, behind := l.pace.wait(newest)
	if t.waits {
		age = min(age, firstAge)
	}
	t.waits = false
	first, due := l.open.empty(), now.Add(age)
	if first {
		l.open.way.opened, l.open.behind = now, behind
		l.blocks = l.cfg.blocks(l.windows())
	}
	l.open.behind = l.open.behind && behind
	if first || l.due.After(due) {
		l.due = due
		l.age.Reset(age)
	}
}

// yield has an open batch of a gap wait no longer than a live one would: live
// records wait for it.
func (l *lane) yield() {
	if age, _ := l.pace.wait(0); l.open.isGap() && time.Until(l.due) > age {
		l.due = time.Now().Add(age)
		l.age.Reset(age)
	}
}

// decode moves some of the chunk into the open batch, and seals it if it is full.
func (l *lane) decode(c *chunk) {
	now := time.Now()
	t := l.tenants[c.partition]
	if l.open.gap = c.isGap(); l.open.gap {
		t = t.gap
	}
	l.await(c, t, now)
	shard := l.cfg.ClickHouse.ShardOf(c.partition)
	room := max(1, l.cfg.Batch.Rows-l.open.rows)
	all := c.records
	own := c.step(&room)
	aided := 0
	for l.hot() && aided < len(l.aides) && room > 0 && len(c.records) > 0 {
		l.aides[aided].begin(c.step(&room), now)
		aided++
	}
	l.open.way.add(all[:len(all)-len(c.records)], now)
	read := span{epoch: t.epoch, reads: t.reads}
	for _, r := range own {
		if read.extend(r, t.next) {
			read.rows += l.filler.add(l.open, t.window, r, shard, arrival(r, now), l.blocks)
		}
		r.Recycle()
	}
	for _, a := range l.aides[:aided] {
		p := <-a.done
		l.filler.merge(l.open, t, &read, p, shard, l.blocks)
		for _, r := range p.records {
			r.Recycle()
		}
		a.done <- p
	}
	if len(c.records) == 0 && c.isGap() {
		read.cover(c.gap)
	}
	if read.next > 0 {
		t.next = read.next
		l.open.account(c.partition, read)
	}
	if len(c.records) == 0 {
		if c.closes {
			l.tenants[c.partition].close()
		}
		*c = chunk{}
	}
	switch {
	case l.open.rows >= l.cfg.Batch.Rows:
		l.seal(SealedByRows)
	case l.open.bytes() >= l.cfg.batchBytes():
		l.seal(SealedByBytes)
	}
}

// step takes a step of the chunk, of at most room records, which it takes from
// room.
func (c *chunk) step(room *int) []*kgo.Record {
	most, n := min(decodeStep, len(c.records), *room), 0
	for size := 0; n < most && size < decodeStepBytes; n++ {
		size += len(c.records[n].Value)
	}
	out := c.records[:n]
	c.records = c.records[n:]
	*room -= n
	return out
}

// hot says whether decoding is what holds the lane up: more waits than Kafka is
// asked for, and there are batches for it. Kafka's own share of the cores is idle
// then.
func (l *lane) hot() bool { return l.queue.isFull() && len(l.free) > 0 }

// seal hands the open batch to the drain goroutine.
func (l *lane) seal(cause SealCause) {
	failpoint.At("seal.before")
	b := l.open
	l.filler.enricher.fill(b)
	l.serial++
	b.id = fmt.Sprintf("%s-%d", l.prefix, l.serial)
	b.way.cause, b.way.sealed = cause, time.Now()
	l.events.Sealed(Sealed{Batch: b.id, Lane: l.id, Cause: cause, Records: b.records(), Rows: b.rows, Duplicates: b.duplicates,
		Rejects: len(b.rejects), Extra: b.extra, Unknown: b.unknown, Lateness: b.lateness, Bytes: b.bytes(), Age: b.way.sealed.Sub(b.way.opened), Behind: b.behind})
	l.open, l.overdue = nil, false
	l.age.Stop()
	l.full <- b // has room for every batch there is
	failpoint.At("seal.after")
}
