package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"penstock/pipeline/dedup"
	"penstock/schema"
)

// workshop is a lane of one partition whose batches are stored as they are sealed.
type workshop struct {
	lane    *lane
	running sync.WaitGroup
	store   func(*batch)
}

func newWorkshop(decoders, next int) *workshop { return newWorkshopOf(schema.Single, decoders, next) }

func newWorkshopOf(f schema.Framing, decoders, next int) *workshop {
	cfg := Default()
	cfg.Kafka.Framing = f
	cfg.Lanes, cfg.Decoders, cfg.Batch.Rows = 1, decoders, 700
	if f == schema.Batched {
		cfg.Batch.Rows = 1 << 20 // a step is of records, so where it ends among their rows depends on how many decode
	}
	owned := &ownership{}
	owned.take(0, "")
	w := &workshop{lane: newLane(0, cfg, newestTelemetry(), "run", owned, Events{}.ensure(), plainDecoders(cfg), func(int, bool) {})}
	w.lane.tenants[0] = &tenant{epoch: owned.epoch(0), next: int64(next), window: dedup.NewWindow(cfg.Dedup.Window, dedup.Sequences)}
	w.lane.queue.full = true // or the aides would rest
	for _, a := range w.lane.aides {
		w.running.Go(a.run)
	}
	return w
}

func (w *workshop) end() {
	for _, a := range w.lane.aides {
		close(a.work)
	}
	w.running.Wait()
}

// decode decodes the records, and stores what is sealed.
func (w *workshop) decode(records []*kgo.Record) {
	l := w.lane
	l.work = chunk{epoch: l.owned.epoch(0), records: records}
	for len(l.work.records) > 0 {
		if l.open == nil {
			l.open = <-l.free
		}
		l.decode(&l.work)
		for len(l.full) > 0 {
			b := <-l.full
			w.store(b)
			b.reset()
			l.free <- b
		}
	}
}

// contents is all that is stored of a batch, as text.
func contents(b *batch) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%v, %d rows, %d duplicates, %d with extra", b.spans, b.rows, b.duplicates, b.extra)
	for _, at := range b.inserts() {
		rows := b.blocks[at].Slice(0, b.blocks[at].Rows())
		fmt.Fprintf(&out, "\n%v:", at)
		for _, c := range rows.Input() {
			var buf proto.Buffer
			c.Data.EncodeColumn(&buf)
			fmt.Fprintf(&out, " %s %x", c.Name, buf.Buf)
		}
	}
	for _, r := range b.rejects {
		fmt.Fprintf(&out, "\n%d.%d: %q %v", r.record.Offset, r.index, r.record.Value, r.why)
	}
	return out.String()
}

// However many decode, what is stored of a partition is the same, in the same
// order.
func TestAidesDecodeLikeTheLane(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var records []*kgo.Record
		odd := rapid.IntRange(2, 400).Draw(rt, "one in so many is odd")
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"resend", "late", "reject", "extra", "gap", "several"}), 1, 5).Draw(rt, "odd kinds")
		framing := rapid.SampledFrom(schema.Framings()).Draw(rt, "framing")
		offset := 0
		for i := range rapid.IntRange(1, 3000).Draw(rt, "records") {
			value, at := eventAt(fmt.Sprint("d", i%7), i, curtain), curtain
			if i%odd == odd-1 {
				switch kinds[i/odd%len(kinds)] {
				case "resend":
					value = eventAt(fmt.Sprint("d", i/2%7), i/2, curtain)
				case "late":
					value = eventAt(fmt.Sprint("d", i%7), i, curtain.AddDate(0, 0, -i%3))
				case "reject":
					value = "{"
				case "extra":
					value = strings.Replace(value, "{", `{"new":1,`, 1)
				case "several":
					value = fmt.Sprintf("[%s,{},%s,%[1]s]", value, eventAt("late", i, curtain.AddDate(0, 0, -i%3)))
				case "gap":
					offset += 10
				}
			}
			records = append(records, record(0, offset, value, at))
			offset++
		}
		next := rapid.IntRange(0, offset).Draw(rt, "settled below")
		var want []string
		for _, decoders := range []int{1, 2, 4} {
			w := newWorkshopOf(framing, decoders, next)
			var got []string
			w.store = func(b *batch) { got = append(got, contents(b)) }
			w.decode(slices.Clone(records))
			if w.lane.open != nil {
				w.store(w.lane.open)
			}
			w.end()
			if decoders == 1 {
				want = got
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("with %d decoders\n%s\nwant\n%s", decoders, strings.Join(got, "\n\n"), strings.Join(want, "\n\n"))
			}
		}
	})
}
