package pipeline

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// aide decodes for a lane that has more at hand than it can decode itself: the
// partition of a whale of a device may bring more than a core is good for, and a
// partition has one lane. The lane cuts what waits into parts, decodes the first
// itself meanwhile, and then takes the parts in their order. So the order of a
// partition's records is kept, and with it which of two resends is stored.
//
// Only decoding is shared. Whether a row is a resend depends on all rows before
// it, so the lane looks at each of them, and copies those that are none: some 50
// ns an event, which is why aides rest while the lane can do without.
type aide struct {
	splitter splitter
	decoder  *schema.Decoder
	work     chan part // one at a time
	done     chan part // the lane's again; at rest it is here
}

// part is consecutive records, and what an aide has decoded of them.
type part struct {
	records []*kgo.Record
	now     time.Time // when decoding them began
	block   *schema.Block
	keys    []schema.Key // of block's rows
	rows    []int        // how many of them each record has
	rejects []reject     // in the order of records
}

func newAide(s *schema.Schema, split splitter, d *schema.Decoder) *aide {
	a := &aide{splitter: split, decoder: d, work: make(chan part, 1), done: make(chan part, 1)}
	a.done <- part{block: schema.NewBlock(s)}
	return a
}

// use has an aide at rest decode by another schema.
func (a *aide) use(s *schema.Schema, d *schema.Decoder) {
	p := <-a.done
	a.decoder, p.block = d, schema.NewBlock(s)
	a.done <- p
}

// run decodes parts until work is closed.
func (a *aide) run() {
	for p := range a.work {
		p.decode(a.splitter, a.decoder)
		a.done <- p
	}
}

// begin has the records decoded. Whoever calls it takes them from done, and puts
// the part back there.
func (a *aide) begin(records []*kgo.Record, now time.Time) {
	p := <-a.done
	p.records, p.now = records, now
	a.work <- p
}

func (p *part) decode(s splitter, d *schema.Decoder) {
	p.block.Reset()
	clear(p.rejects) // keep no record alive
	p.keys, p.rows, p.rejects = p.keys[:0], p.rows[:0], p.rejects[:0]
	for _, r := range p.records {
		before := len(p.keys)
		events, why := s.of(r)
		if why != nil {
			p.rejects = append(p.rejects, whole(r, why))
		}
		for i, event := range events {
			key, err := d.Decode(recordOf(r, i, event, arrival(r, p.now)), p.block)
			if err != nil {
				p.rejects = append(p.rejects, rejectOf(s, r, i, event, err))
				continue
			}
			p.keys = append(p.keys, key)
		}
		p.rows = append(p.rows, len(p.keys)-before)
	}
}

// merge adds the part's records to b, as add does with one.
func (f *filler) merge(b *batch, t *tenant, read *span, p part, shard, most int) {
	var (
		lo, hi int // rows of p.block that go to one place, and are not there yet
		to     place
	)
	flush := func() {
		if lo < hi {
			b.block(to).Append(p.block, lo, hi)
		}
	}
	row, rejects := 0, p.rejects // row of p.block, and what is left of its rejects
	for i, r := range p.records {
		wanted := read.extend(r, t.next)
		for ; len(rejects) > 0 && rejects[0].record.Offset == r.Offset; rejects = rejects[1:] {
			if wanted {
				f.reject(b, rejects[0])
			}
		}
		for range p.rows[i] {
			key := p.keys[row]
			if at := arrival(r, p.now); wanted && !f.resend(b, t.window, key, at, most) {
				if of := (place{shard, key.Day}); hi != row || of != to {
					flush()
					lo, to = row, of
				}
				hi = row + 1
				b.count(key, at)
				read.rows++
			}
			row++
		}
	}
	flush()
}
