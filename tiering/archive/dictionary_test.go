package archive

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the values, each index leads back to its own, and no entry stands
// twice, also when the table has grown and is used for another column.
func TestNumberDictionary(t *testing.T) {
	var d numberDictionary[uint64]
	rapid.Check(t, func(rt *rapid.T) {
		distinct := rapid.IntRange(1, 3000).Draw(rt, "distinct")
		step := rapid.Uint64().Draw(rt, "step") | 1
		values := make([]uint64, 5000)
		for i := range values {
			values[i] = uint64(i*i%distinct) * step
		}
		indexes := make([]int32, len(values))
		if !d.encode(values, indexes) {
			rt.Fatalf("%d distinct values are too many", distinct)
		}
		for i, v := range values {
			if got := d.entries[indexes[i]]; got != v {
				rt.Fatalf("value %d is %x, index %d says %x", i, v, indexes[i], got)
			}
		}
		sorted := slices.Sorted(slices.Values(d.entries))
		if len(slices.Compact(sorted)) != len(d.entries) {
			rt.Fatalf("of %d entries some stand twice", len(d.entries))
		}
	})
}

func TestNumberDictionaryIsBounded(t *testing.T) {
	f := func(distinct int, want bool) {
		t.Helper()
		values := make([]uint32, distinct)
		for i := range values {
			values[i] = uint32(i)
		}
		var d numberDictionary[uint32]
		if got := d.encode(values, make([]int32, distinct)); got != want {
			t.Errorf("%d distinct values: %t, want %t", distinct, got, want)
		}
	}
	f(maxDictionaryEntries, true)
	f(maxDictionaryEntries+1, false)
}

func TestTextDictionary(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := rapid.SliceOf(rapid.SampledFrom([]string{"", "a", "b", "ab", "\x00", "\xff", "ü"})).Draw(rt, "values")
		d := newTextDictionary()
		var indexes []int32
		for _, v := range values {
			indexes = append(indexes, d.index([]byte(v)))
		}
		d.sort(indexes)
		for i := 1; i < d.len(); i++ {
			if bytes.Compare(d.entry(int32(i-1)), d.entry(int32(i))) >= 0 {
				rt.Fatalf("entry %q stands before %q", d.entry(int32(i-1)), d.entry(int32(i)))
			}
		}
		for i, v := range values {
			if got := string(d.entry(indexes[i])); got != v {
				rt.Fatalf("value %d is %q, its index says %q", i, v, got)
			}
		}
	})
}

// Each behaviour of a column gets the encoding that was measured to be smallest.
func TestChoice(t *testing.T) {
	const rows = 20_000
	numbers := func(name string, dictionary bool, value func(i int) int32) {
		t.Helper()
		c := &numberChunk[int32]{}
		for i := range rows {
			c.values = append(c.values, value(i))
		}
		if got := c.choose(new(scratch)); got.dictionary != dictionary {
			t.Errorf("%s: dictionary %t, want %t", name, got.dictionary, dictionary)
		}
	}
	spread := func(i int) int32 { return int32(uint32(i) * 2654435761 >> 3) }
	numbers("codes", true, func(i int) int32 { return spread(i) % 100 * 1_000_003 })
	numbers("a counter", false, func(i int) int32 { return int32(i) * 10 })
	numbers("a counter that begins anew a device", false, func(i int) int32 { return int32(i%300) * 10 })
	numbers("one value", true, func(int) int32 { return 7 })
	numbers("no value twice", false, spread)

	floats := func(name string, dictionary bool, value func(i int) float32) {
		t.Helper()
		c := &numberChunk[float32]{}
		for i := range rows {
			c.values = append(c.values, value(i))
		}
		if got := c.choose(new(scratch)); got.dictionary != dictionary {
			t.Errorf("%s: dictionary %t, want %t", name, got.dictionary, dictionary)
		}
	}
	floats("readings of two decimals", true, func(i int) float32 { return float32(spread(i)%2000) / 100 })
	floats("readings of all digits", false, func(i int) float32 { return math.Float32frombits(uint32(spread(i))) })

	texts := func(name string, dictionary bool, value func(i int) string) {
		t.Helper()
		c := &textChunk{}
		for i := range rows {
			c.append([]byte(value(i)))
		}
		if got := c.choose(new(scratch)); got.dictionary != dictionary {
			t.Errorf("%s: dictionary %t, want %t", name, got.dictionary, dictionary)
		}
	}
	texts("devices", true, func(i int) string { return string(rune('a' + i/1000)) })
	texts("ids", false, func(i int) string { return string(rune(i)) + "-id" })
	texts("long values", false, func(i int) string { return string(bytes.Repeat([]byte{byte(i)}, 20_000)) })
}
