package schema

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// What extra has of Avro stands under the name of the writer's field, as Avro's
// own JSON encoding has it, but for three things: a value of a union stands by
// itself, without the name of its type; a float has a point or an exponent, and
// one that is no number is the text "NaN", "Infinity" or "-Infinity". So bytes
// and a fixed are text with a character U+0000 to U+00FF for each byte, an enum
// is its symbol, and a number of a logical type is the number.

// keep appends the field at value[at:] to extra as a member, and returns where it
// ends.
func (d *avroReader) keep(f *avroField, t *avroType, at int) (int, *Rejection) {
	open := byte(',')
	if len(d.extra) == 0 {
		open = '{'
	}
	d.extra = append(append(append(d.extra, open), f.name...), ':')
	return d.json(t, at, 0)
}

// json appends the value at value[at:] to extra, inside so many levels of others,
// and returns where it ends.
func (d *avroReader) json(t *avroType, at, levels int) (end int, rej *Rejection) {
	if t.kind >= avroArray && levels >= d.limits.Nesting {
		if t.kind == avroUnion {
			return d.union(t, at, levels)
		}
		return 0, d.limits.tooDeep()
	}
	// Before each value, and not after all: a record of nulls takes no bytes, and
	// its members' names do, as often as the writer's schema says.
	if len(d.extra) > d.limits.ExtraBytes {
		return 0, d.limits.tooMuchExtra()
	}
	switch t.kind {
	case avroNull:
		d.extra = append(d.extra, "null"...)
		return at, nil
	case avroBoolean:
		if at >= len(d.value) || d.value[at] > 1 {
			return 0, d.malformed(at, "it is no boolean")
		}
		d.extra = strconv.AppendBool(d.extra, d.value[at] == 1)
		return at + 1, nil
	case avroFloat, avroDouble:
		return d.real(t, at)
	case avroFixed:
		if t.size > len(d.value)-at {
			return 0, d.malformed(at, "it is shorter than its %d bytes", t.size)
		}
		if t.size > d.limits.TextBytes {
			return 0, d.limits.tooLong(at, t.size)
		}
		return at + t.size, d.latin1(d.value[at : at+t.size])
	case avroArray, avroMap:
		return d.collection(t, at, levels+1)
	case avroRecord:
		return d.record(t, at, levels+1)
	case avroUnion:
		return d.union(t, at, levels)
	}
	n, p := avroVarint(d.value, at)
	switch {
	case p < 0:
		return 0, d.malformed(at, "it is no whole number")
	case t.kind == avroLong, t.kind == avroInt && n == int64(int32(n)):
		d.extra = strconv.AppendInt(d.extra, n, 10)
		return p, nil
	case t.kind == avroInt:
		return 0, d.malformed(at, "%d is no int", n)
	case t.kind == avroEnum:
		if n < 0 || n >= int64(len(t.symbols)) {
			return 0, d.malformed(at, "an enum of %d has no symbol %d", len(t.symbols), n)
		}
		return p, d.quote(t.symbols[n], at)
	case n < 0 || n > int64(len(d.value)-p):
		return 0, d.malformed(at, "a length of %d", n)
	case n > int64(d.limits.TextBytes):
		return 0, d.limits.tooLong(p, int(n))
	}
	if end = p + int(n); t.kind == avroBytes {
		return end, d.latin1(d.value[p:end])
	}
	return end, d.quote(d.value[p:end], at)
}

func (d *avroReader) union(t *avroType, at, levels int) (end int, rej *Rejection) {
	branch, p := d.branch(t, at)
	if p < 0 {
		return 0, d.malformed(at, "a union of %d has no such branch", len(t.branches))
	}
	return d.json(branch, p, levels)
}

func (d *avroReader) real(t *avroType, at int) (end int, rej *Rejection) {
	width, bits := 4, 32
	if t.kind == avroDouble {
		width, bits = 8, 64
	}
	if len(d.value)-at < width {
		return 0, d.malformed(at, "it is shorter than its %d bytes", width)
	}
	var v float64
	if bits == 32 {
		v = float64(math.Float32frombits(binary.LittleEndian.Uint32(d.value[at:])))
	} else {
		v = math.Float64frombits(binary.LittleEndian.Uint64(d.value[at:]))
	}
	if isFinite64(math.Float64bits(v)) {
		d.extra = appendFraction(d.extra, v, bits)
	} else {
		d.extra = appendNotFinite(d.extra, v)
	}
	return at + width, nil
}

func (d *avroReader) record(t *avroType, at, levels int) (end int, rej *Rejection) {
	d.extra = append(d.extra, '{')
	for i, m := range t.members {
		if i > 0 {
			d.extra = append(d.extra, ',')
		}
		d.extra = append(append(d.extra, m.name...), ':')
		if at, rej = d.json(m.typ, at, levels); rej != nil {
			return 0, rej
		}
	}
	d.extra = append(d.extra, '}')
	return at, nil
}

// collection reads the blocks of an array or a map. Each says how many items it
// has; a negative number is followed by its length in bytes.
func (d *avroReader) collection(t *avroType, at, levels int) (end int, rej *Rejection) {
	open, closing := byte('['), byte(']')
	if t.kind == avroMap {
		open, closing = '{', '}'
	}
	d.extra = append(d.extra, open)
	var keys [][2]int // where the keys of a map stand in value
	for first := true; ; {
		begin := at
		count, p := avroVarint(d.value, at)
		if p < 0 {
			return 0, d.malformed(at, "it is no number of items")
		}
		if at = p; count == 0 {
			break
		}
		size := int64(-1)
		if count < 0 {
			count = -count
			if size, at = avroVarint(d.value, at); at < 0 || size < 0 {
				return 0, d.malformed(begin, "a block has no length")
			}
		}
		// An item that takes no bytes, such as null, could come for ever. All
		// others are never more than the record has bytes.
		if count < 0 || count > int64(d.items) {
			return 0, d.malformed(begin, "a block claims more items than the record has bytes")
		}
		d.items -= int(count)
		for from := at; count > 0; count-- {
			if !first {
				d.extra = append(d.extra, ',')
			}
			first = false
			if t.kind == avroMap {
				length, p := avroVarint(d.value, at)
				if p < 0 || length < 0 || length > int64(len(d.value)-p) {
					return 0, d.malformed(at, "a key has no length")
				}
				if d.keys--; d.keys < 0 {
					return 0, d.limits.tooManyFields()
				}
				if length > int64(d.limits.TextBytes) {
					return 0, d.limits.tooLong(p, int(length))
				}
				keys = append(keys, [2]int{p, p + int(length)})
				if rej = d.quote(d.value[p:p+int(length)], at); rej != nil {
					return 0, rej
				}
				d.extra = append(d.extra, ':')
				at = p + int(length)
			}
			if at, rej = d.json(t.items, at, levels); rej != nil {
				return 0, rej
			}
			if count == 1 && size >= 0 && size != int64(at-from) {
				return 0, d.malformed(begin, "a block claims %d bytes and has %d", size, at-from)
			}
		}
	}
	d.extra = append(d.extra, closing)
	return at, d.distinct(keys)
}

// distinct makes sure that no key of a map is there twice.
func (d *avroReader) distinct(keys [][2]int) *Rejection {
	key := func(at [2]int) []byte { return d.value[at[0]:at[1]] }
	slices.SortFunc(keys, func(a, b [2]int) int { return bytes.Compare(key(a), key(b)) })
	for i := 1; i < len(keys); i++ {
		if bytes.Equal(key(keys[i-1]), key(keys[i])) {
			return d.malformed(keys[i][0], "a map has the key %s twice", shorten(quoted(string(key(keys[i])))))
		}
	}
	return nil
}

// quote appends text as JSON; it began at the byte at.
func (d *avroReader) quote(text []byte, at int) *Rejection {
	out, err := jsontext.AppendQuote(d.extra, text)
	if err != nil {
		return d.malformed(at, "it is text with invalid UTF-8")
	}
	d.extra = out
	return nil
}

// latin1 appends bytes as JSON text, each as the character of its number.
func (d *avroReader) latin1(raw []byte) *Rejection {
	d.text = d.text[:0]
	for _, c := range raw {
		d.text = append(d.text, string(rune(c))...)
	}
	return d.quote(d.text, 0)
}

// malformed is the rejection of what stands at the byte at.
func (d *avroReader) malformed(at int, format string, args ...any) *Rejection {
	rej := reject(ReasonMalformed, format, args...)
	rej.Detail = "at byte " + strconv.Itoa(at) + ": " + rej.Detail + "; was it written by another schema?"
	return rej
}
