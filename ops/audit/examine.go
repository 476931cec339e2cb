package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/receipts"
	"penstock/schema"
)

const (
	// chunkOffsets is how many offsets of a partition are looked at together:
	// 128 KiB of bits, and some 400 kB from ClickHouse.
	chunkOffsets = 1 << 20
	// stretchGap is how far apart two offsets may be that are read from Kafka in
	// one go. To begin anew costs about as much as reading so many records.
	stretchGap = 20_000
	// undecidedMost bounds the records whose identities are looked up together.
	undecidedMost = 10_000
	// lookAgain is when what nothing explains is looked for once more: a replica
	// may be behind.
	lookAgain = 2 * time.Second
)

// examiner goes through the offsets of one partition.
type examiner struct {
	*run
	limits  limits
	letters []int64 // of the partition, ascending
	out     *tally

	decoder *schema.Decoder
	block   *schema.Block // the decoder's scratch
	// again are offsets that nothing explained at the first look.
	again Ranges
	// fates are those of offsets read from Kafka, in their order. The undecided
	// ones await their lookup.
	fates     []fated
	undecided int
}

// fate is what became of an offset that is not stored.
type fate int

const (
	undecided fate = iota // a record that decodes: what is stored of its identity decides
	stored
	duplicate
	absent
	cold
	missing
	unproven
)

// fated is offsets that are not stored, and why that is or is not in order.
type fated struct {
	Range
	fate  fate
	why   string
	event // of an undecided one, which is one offset
}

// event is what an event is known by.
type event struct {
	id     schema.Identity
	device string
	at     int64 // its own time, Unix ms
}

// examine looks at every offset, and then once more at those that nothing explained.
func (e *examiner) examine(ctx context.Context) error {
	for _, chunk := range e.out.Range.chunks(chunkOffsets) {
		if err := e.look(ctx, chunk); err != nil {
			return err
		}
		e.advance(chunk.Count())
	}
	if err := e.repeated(ctx); err != nil {
		return err
	}
	if len(e.again) == 0 {
		return nil
	}
	select {
	case <-time.After(lookAgain):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, r := range e.again.stretches(chunkOffsets) {
		for _, chunk := range r.chunks(chunkOffsets) {
			if err := e.lookAgain(ctx, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// repeated finds the events that are stored at more than one offset: in pieces,
// each with as much of what is before it as a dedup window holds.
func (e *examiner) repeated(ctx context.Context) error {
	for _, piece := range e.out.Range.chunks(4 * chunkOffsets) {
		all, err := e.repeats(ctx, e.span(Range{max(e.out.First, piece.First-e.windows()), piece.Next}))
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.Last >= piece.First { // else the piece before had it
				e.out.found(Repeated, Range{r.Last, r.Last + 1}, fmt.Sprintf("the same event as at offset %d, stored at %d offsets; the records came %v apart", r.First, r.Offsets, r.Apart))
			}
		}
	}
	return nil
}

// windows is about how many offsets come in two dedup windows, as far as those
// before the audit tell.
func (e *examiner) windows() int64 { return max(e.limits.from-e.limits.lookback, chunkOffsets) }

func (e *examiner) span(r Range) receipts.Span {
	return receipts.Span{Partition: e.limits.partition, First: r.First, Next: r.Next}
}

// look classifies the offsets of a chunk; what nothing explains is noted in again.
func (e *examiner) look(ctx context.Context, chunk Range) error {
	bits, err := e.bits(ctx, e.span(chunk))
	if err != nil {
		return err
	}
	e.out.Stored += bits.stored()
	if err := e.doubled(ctx, bits.suspects()); err != nil {
		return err
	}
	first, _ := slices.BinarySearch(e.letters, chunk.First)
	for _, o := range e.letters[first:] {
		if o >= chunk.Next {
			break
		}
		if bits.has(o) {
			e.out.Replayed++
		}
	}
	return e.explain(ctx, bits.missing(Ranges{chunk}), false)
}

// lookAgain classifies what of again is in the chunk, for good.
func (e *examiner) lookAgain(ctx context.Context, chunk Range) error {
	_, rest := e.again.split(chunk.First)
	these, _ := rest.split(chunk.Next)
	bits, err := e.bits(ctx, e.span(chunk))
	if err != nil {
		return err
	}
	gaps := bits.missing(these)
	e.out.Stored += these.Count() - gaps.Count()
	return e.explain(ctx, gaps, true)
}

// doubled finds the offsets that are stored more than once, where they seem to
// be.
func (e *examiner) doubled(ctx context.Context, suspects Ranges) error {
	if len(suspects) == 0 {
		return nil
	}
	var spans []receipts.Span
	for _, r := range suspects {
		spans = append(spans, e.span(r))
	}
	offsets, err := e.confirmDoubled(ctx, spans)
	for _, o := range offsets {
		e.out.found(Doubled, Range{o, o + 1}, "stored more than once")
	}
	return err
}

// explain finds out why offsets are not stored. Unless it is the last look,
// those that nothing explains are noted in again.
func (e *examiner) explain(ctx context.Context, gaps Ranges, last bool) error {
	rest, rejects := gaps.without(e.letters)
	e.out.Rejects += rejects
	gone, rest := rest.split(e.limits.start)
	for _, r := range gone {
		e.wrong(Unproven, r, "not stored, and Kafka no longer has the records to say what they were", last)
	}
	for _, stretch := range rest.stretches(stretchGap) {
		below, _ := rest.split(stretch.Next)
		_, these := below.split(stretch.First)
		if err := e.reread(ctx, stretch, these, last); err != nil {
			return err
		}
	}
	return nil
}

// reread reads a stretch of Kafka and decides the offsets of it that are asked
// for.
func (e *examiner) reread(ctx context.Context, stretch Range, these Ranges, last bool) error {
	var failed error
	todo := these
	reading, stop := context.WithCancel(ctx)
	defer stop()
	err := e.read(reading, e.limits.partition, stretch, func(r *kgo.Record) {
		passed, rest := todo.split(r.Offset)
		e.note(passed, absent, "")
		if len(rest) == 0 || !rest[0].Has(r.Offset) || failed != nil {
			todo = rest
			return
		}
		_, todo = rest.split(r.Offset + 1)
		e.record(r)
		if e.undecided >= undecidedMost {
			if failed = e.decide(ctx, last); failed != nil {
				stop()
			}
		}
	})
	switch {
	case failed != nil:
		return failed
	case errors.Is(err, errGone):
		e.note(todo, unproven, "not stored, and Kafka deleted the records while they were read")
	case errors.Is(err, errSilent):
		e.note(todo, unproven, "not stored, and "+err.Error())
	case err != nil:
		return err
	default:
		e.note(todo, absent, "")
	}
	return e.decide(ctx, last)
}

// note enters one fate for all of these offsets.
func (e *examiner) note(these Ranges, fate fate, why string) {
	for _, r := range these {
		e.fates = append(e.fates, fated{Range: r, fate: fate, why: why})
	}
}

// record notes what a record that is not stored is.
func (e *examiner) record(r *kgo.Record) {
	f := fated{Range: Range{r.Offset, r.Offset + 1}}
	if r.Attrs.IsControl() {
		f.fate = absent
		e.fates = append(e.fates, f)
		return
	}
	ev, rejection := e.decode(r)
	switch {
	case rejection != nil && e.trimmed:
		f.fate, f.why = unproven, "cannot be stored ("+string(rejection.Reason)+"), and has no dead letter among those that the dead-letter topic still has"
	case rejection != nil:
		f.fate, f.why = missing, "cannot be stored ("+string(rejection.Reason)+"), and has no dead letter"
	default:
		f.event = ev
		e.undecided++
	}
	e.fates = append(e.fates, f)
}

// decode returns the event of a record as the node decodes it.
func (e *examiner) decode(r *kgo.Record) (event, *schema.Rejection) {
	e.block.Reset()
	at := r.Timestamp.UnixMilli()
	if now := time.Now().UnixMilli(); at < 0 || at > now {
		at = now // as a node judges a time that no clock has shown yet
	}
	key, err := e.decoder.Decode(schema.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: at, Value: r.Value}, e.block)
	var rejection *schema.Rejection
	if errors.As(err, &rejection) {
		return event{}, rejection
	}
	return event{id: key.Identity, device: string(e.block.LastDevice()), at: key.Time}, nil
}

// decide looks up the undecided and enters all fates, in their order.
func (e *examiner) decide(ctx context.Context, last bool) error {
	if e.undecided > 0 {
		if err := e.lookUp(ctx); err != nil {
			return err
		}
	}
	for _, f := range e.fates {
		switch f.fate {
		case stored:
			e.out.Stored++
		case duplicate:
			e.out.Duplicates++
		case absent:
			e.out.Absent += f.Count()
		case cold:
			e.out.Cold++
		case unproven:
			e.wrong(Unproven, f.Range, f.why, last)
		case missing:
			e.wrong(Missing, f.Range, f.why, last)
		default:
			panic("BUG: an offset without a fate")
		}
	}
	e.fates, e.undecided = e.fates[:0], 0
	return nil
}

// wrong takes offsets that nothing explains: to be looked for again or, in the
// last look, as a finding.
func (e *examiner) wrong(kind Kind, r Range, why string, last bool) {
	if !last && len(e.again) < maxFindings {
		e.again = e.again.add(r)
		return
	}
	e.out.found(kind, r, why)
}
