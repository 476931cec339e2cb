package dedup

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"penstock/schema"
)

// plainSequences are what sequences are, by maps and slices.
type plainSequences struct{ now, before map[blockKey][]*plainEra }

// plainEra is an era; of those of a block the newest is first.
type plainEra struct {
	numbers     map[uint64]bool
	first, last int64
}

func (e *plainEra) take(seq uint64, event int64) {
	e.numbers[seq] = true
	e.first, e.last = min(e.first, event), max(e.last, event)
}

func (e *plainEra) away(event int64) int64 { return max(e.first-event, event-e.last, 0) }

func (p *plainSequences) seen(id schema.Identity, event int64) bool {
	key := blockKey{id.Device, id.Seq / BlockNumbers}
	if p.has(id, event) {
		return true
	}
	var nearest *plainEra
	for _, e := range p.now[key] {
		if !e.numbers[id.Seq] && (nearest == nil || e.away(event) < nearest.away(event)) {
			nearest = e
		}
	}
	if nearest == nil {
		nearest = &plainEra{map[uint64]bool{}, event, event}
		eras := slices.Insert(p.now[key], 0, nearest)
		p.now[key] = eras[:min(len(eras), maxEras)]
	}
	nearest.take(id.Seq, event)
	return false
}

func (p *plainSequences) has(id schema.Identity, event int64) bool {
	key := blockKey{id.Device, id.Seq / BlockNumbers}
	return slices.ContainsFunc(slices.Concat(p.now[key], p.before[key]), func(e *plainEra) bool {
		return e.numbers[id.Seq] && e.away(event) == 0
	})
}

func (p *plainSequences) turn() { p.before, p.now = p.now, map[blockKey][]*plainEra{} }

func (p *plainSequences) restore(b Block) {
	key := blockKey{b.Device, b.Number}
	if p.before[key] == nil {
		p.before[key] = []*plainEra{{map[uint64]bool{}, b.First, b.Last}}
	}
	for i := range uint64(BlockNumbers) {
		if b.Bits[i/64]>>(i%64)&1 != 0 {
			p.before[key][0].take(b.Number*BlockNumbers+i, b.First)
		}
	}
}

func (p *plainSequences) held() (now, before int) {
	for _, eras := range p.now {
		now += len(eras)
	}
	for _, eras := range p.before {
		before += len(eras)
	}
	return now, before
}

// plainFingerprints are what fingerprints are, by maps.
type plainFingerprints struct{ now, before map[uint64]bool }

func (p *plainFingerprints) seen(id schema.Identity, _ int64) bool {
	if p.has(id, 0) {
		return true
	}
	p.now[id.Seq] = true
	return false
}

func (p *plainFingerprints) has(id schema.Identity, _ int64) bool {
	return p.before[id.Seq] || p.now[id.Seq]
}

func (p *plainFingerprints) turn()                   { p.before, p.now = p.now, map[uint64]bool{} }
func (p *plainFingerprints) restore(b Block)         { p.before[b.Number] = true }
func (p *plainFingerprints) held() (now, before int) { return len(p.now), len(p.before) }

// alike are devices whose blocks collide, all of them or by some of their bits.
var alike = []uint64{seed[0], 0, 1, 2, 1 << 32, 1 << 63, 3 << 62, 1<<64 - 1}

// TestSequencesByMaps does the same to sequences and to what is plainly right.
func TestSequencesByMaps(t *testing.T) {
	sameAnswers(t, Sequences, BlockNumbers,
		func() generations {
			return &plainSequences{map[blockKey][]*plainEra{}, map[blockKey][]*plainEra{}}
		},
		func(t *rapid.T, few int) schema.Identity {
			block := rapid.SampledFrom([]uint64{1, 0, 2, 3, 1 << 20, 1 << 52, 1<<55 - 1, 1 << 54}[:few]).Draw(t, "block")
			number := rapid.SampledFrom([]uint64{0, 511, 1, 63, 64, 65, 320, 448}[:few]).Draw(t, "number")
			return schema.Identity{Device: rapid.SampledFrom(alike[:few]).Draw(t, "device"), Seq: block*BlockNumbers + number}
		})
}

// TestFingerprintsByMaps does the same to fingerprints, of which many have the
// first or the last place of a table for their home.
func TestFingerprintsByMaps(t *testing.T) {
	sameAnswers(t, Fingerprints, 1,
		func() generations { return &plainFingerprints{map[uint64]bool{}, map[uint64]bool{}} },
		func(t *rapid.T, few int) schema.Identity {
			home := rapid.SampledFrom([]uint64{0, 1, 1 << 63, 1<<64 - 40}).Draw(t, "home")
			return schema.Identity{Seq: gathered(home + rapid.Uint64Range(0, 10*uint64(few)).Draw(t, "after"))}
		})
}

// gathered is what scatter makes h of.
func gathered(h uint64) uint64 {
	inverse := seed[0] // in its lowest three bits
	for range 5 {      // Newton's method: each step doubles the bits that are right
		inverse *= 2 - seed[0]*inverse
	}
	return h * inverse
}

// sameAnswers holds generations of a kind to plain ones, whatever is restored,
// read and turned. Identities that are step apart share no block; draw gives one
// of few, 1 to 8 being a measure.
func sameAnswers(t *testing.T, kind Kind, step uint64, plain func() generations, draw func(t *rapid.T, few int) schema.Identity) {
	event := rapid.Int64Range(-3, 12)
	rapid.Check(t, func(t *rapid.T) {
		got, want := kind.generations(), plain()
		few := rapid.IntRange(1, len(alike)).Draw(t, "few")
		for range rapid.IntRange(0, 20).Draw(t, "restored") {
			id, first := draw(t, few), event.Draw(t, "event")
			b := Block{Number: id.Seq}
			if kind == Sequences {
				key, word, bit := locate(id)
				b = Block{Device: key.device, Number: key.number, First: first, Last: first}
				b.Bits[word] = bit
			}
			got.restore(b)
			want.restore(b)
		}
		read := func(id schema.Identity, event int64) {
			if got, want := got.has(id, event), want.has(id, event); got != want {
				t.Fatalf("%x of %d is known: %v, want %v", id, event, got, want)
			}
			if got, want := got.seen(id, event), want.seen(id, event); got != want {
				t.Fatalf("%x of %d is seen: %v, want %v", id, event, got, want)
			}
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"one", "one", "one", "one", "one", "one", "one", "one", "many", "turn"}).Draw(t, "step") {
			case "one":
				read(draw(t, few), event.Draw(t, "event"))
			case "many": // than tables have room for
				id, event := draw(t, few), event.Draw(t, "event")
				for range rapid.IntRange(1, 200).Draw(t, "blocks") {
					id.Seq += step
					read(id, event)
				}
			case "turn":
				got.turn()
				want.turn()
			}
			now, before := got.held()
			if plainNow, plainBefore := want.held(); now != plainNow || before != plainBefore {
				t.Fatalf("%d now and %d before are held, want %d and %d", now, before, plainNow, plainBefore)
			}
		}
	})
}
