package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/cespare/xxhash/v2"
	"go.uber.org/goleak"

	"penstock/pipeline/dedup"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table is a ClickHouse table as far as inserts and receipts can tell: it keeps
// rows by their origin and skips a token it has seen for the day.
type table struct {
	mu     sync.Mutex // guards what follows
	rows   map[schema.Origin][]identified
	tokens []string // with their days, oldest first
	// named is how many rows came with a value for the column.
	named map[string]int
	// window is how many tokens it remembers; 0 is all of them.
	window int
	// before, if set, is called with no lock held when an insert comes. An error
	// of it is the answer.
	before func(ctx context.Context, token string, rows []schema.Origin) error
	// seen, if set, is called with the blocks that are stored.
	seen func(*schema.Block)
	// fault, if set, answers instead of the table.
	fault func(rows []schema.Origin) error
	// lose is how many answers are lost after the rows are stored.
	lose int
	// deaf is how many questions to the receipts are not answered.
	deaf int
	// ponder, if set, is how long the receipts take to answer.
	ponder time.Duration
	// crash is how many inserts leave their token and not their rows, and no
	// answer.
	crash int
}

var errReset = errors.New("read: connection reset by peer")

// identified is one row.
type identified struct {
	id   schema.Identity
	time int64
}

func newTable() *table {
	return &table{rows: map[schema.Origin][]identified{}, named: map[string]int{}}
}

// storeInto returns a store without a drain, for batches that were declared just now.
func storeInto(t *table) *store {
	events := Events{}.ensure()
	return &store{events: events, sink: t, receipts: []stored{t}, bound: time.Minute, again: persistence{what: "insert", verdict: fateOf, events: events}}
}

func (t *table) Insert(ctx context.Context, _ int, token string, b *schema.Block) error {
	rows := make([]schema.Origin, b.Rows())
	for i := range rows {
		rows[i] = b.Origin(i)
	}
	t.mu.Lock()
	before := t.before
	t.mu.Unlock()
	if before != nil {
		if err := before(ctx, token, rows); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err // as if it had never come: what does is store's
	}
	if t.fault != nil {
		if err := t.fault(rows); err != nil {
			return err
		}
	}
	return t.store(token, b, rows)
}

// store is what the server does with an insert that comes. t.mu is held.
func (t *table) store(token string, b *schema.Block, rows []schema.Origin) error {
	key := token + "@" + b.Day().String()
	if slices.Contains(t.tokens, key) {
		return nil
	}
	t.tokens = append(t.tokens, key)
	if t.window > 0 {
		t.tokens = t.tokens[max(0, len(t.tokens)-t.window):]
	}
	if t.crash > 0 {
		t.crash--
		return errReset
	}
	if t.seen != nil {
		t.seen(b)
	}
	for _, c := range b.Input() {
		t.named[c.Name] += b.Rows()
	}
	ids := identities(b)
	for i, r := range rows {
		t.rows[r] = append(t.rows[r], ids[i])
	}
	if t.lose > 0 {
		t.lose--
		return errReset
	}
	return nil
}

// identities reads the identities of a block's rows off what is sent of it.
func identities(b *schema.Block) []identified {
	out := make([]identified, b.Rows())
	for _, c := range b.Input() {
		var buf proto.Buffer
		c.Data.EncodeColumn(&buf)
		for i := range out {
			switch c.Name {
			case "device_id":
				size, n := binary.Uvarint(buf.Buf)
				out[i].id.Device = xxhash.Sum64(buf.Buf[n : n+int(size)])
				buf.Buf = buf.Buf[n+int(size):]
			case "seq":
				out[i].id.Seq = binary.LittleEndian.Uint64(buf.Buf[8*i:])
			case "ts":
				out[i].time = int64(binary.LittleEndian.Uint64(buf.Buf[8*i:]))
			}
		}
	}
	return out
}

func (t *table) Stored(_ context.Context, spans []receipts.Span) (receipts.Origins, error) {
	t.mu.Lock()
	ponder := t.ponder
	t.mu.Unlock()
	time.Sleep(ponder)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deaf > 0 {
		t.deaf--
		return receipts.Origins{}, errReset
	}
	var found []schema.Origin
	for o := range t.rows {
		for _, s := range spans {
			if o.Partition == s.Partition && s.First <= o.Offset && o.Offset < s.Next {
				found = append(found, o)
			}
		}
	}
	return receipts.NewOrigins(found), nil
}

func (t *table) Copies(_ context.Context, in receipts.Span, ids []schema.Identity) (found []receipts.Copy, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o, rows := range t.rows {
		for _, r := range rows {
			if o.Partition == in.Partition && in.First <= o.Offset && o.Offset < in.Next && slices.Contains(ids, r.id) {
				found = append(found, receipts.Copy{Identity: r.id, Time: r.time, Origin: o})
			}
		}
	}
	return found, nil
}

func (t *table) Everywhere(_ context.Context, _ string, events []receipts.Event) (found []receipts.Copy, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o, rows := range t.rows {
		for _, r := range rows {
			if slices.ContainsFunc(events, func(e receipts.Event) bool { return r.time == e.Time && r.id.Device == xxhash.Sum64String(e.Device) }) {
				found = append(found, receipts.Copy{Identity: r.id, Time: r.time, Origin: o})
			}
		}
	}
	return found, nil
}

func (t *table) Last(_ context.Context, from map[int32]int64) (map[int32]receipts.Last, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[int32]receipts.Last{}
	for o := range t.rows {
		if first, ok := from[o.Partition]; ok && o.Offset >= max(first, out[o.Partition].Offset) {
			out[o.Partition] = receipts.Last{Offset: o.Offset}
		}
	}
	return out, nil
}

func (t *table) Windows(_ context.Context, from map[int32]receipts.Since, visit func(int32, dedup.Block) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o, rows := range t.rows {
		since, ok := from[o.Partition]
		if !ok || o.Offset < since.Offset || o.Offset >= since.Before {
			continue
		}
		for _, r := range rows {
			b := dedup.Block{Device: r.id.Device, Number: r.id.Seq / dedup.BlockNumbers, First: r.time, Last: r.time, At: r.time}
			b.Bits[r.id.Seq/64%8] = 1 << (r.id.Seq % 64)
			if err := visit(o.Partition, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// Inserting is false: an insert of this table is over before anything else is
// asked of it.
func (t *table) Inserting(context.Context, string) (bool, error) { return false, nil }

func (t *table) Close() error { return nil }

func (t *table) setFault(f func([]schema.Origin) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = f
}

func (t *table) setBefore(f func(ctx context.Context, token string, rows []schema.Origin) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before = f
}

// spent returns the tokens the table remembers, with their days, sorted.
func (t *table) spent() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(slices.Values(t.tokens))
}

// counts returns how many distinct records are stored, and how many of them
// more than once.
func (t *table) counts() (stored, doubled int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rows := range t.rows {
		if len(rows) > 1 {
			doubled++
		}
	}
	return len(t.rows), doubled
}
