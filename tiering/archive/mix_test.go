package archive

import (
	"math/bits"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// unmix undoes mix: what it does can be undone, so no two words have the same.
func unmix(x uint64) uint64 {
	x ^= x>>31 ^ x>>62
	x *= inverse(0x94d049bb133111eb)
	x ^= x>>27 ^ x>>54
	x *= inverse(0xbf58476d1ce4e5b9)
	return x ^ x>>30 ^ x>>60
}

// inverse returns the inverse of an odd number modulo 2^64, by Newton's method.
func inverse(odd uint64) uint64 {
	x := odd
	for range 6 {
		x *= 2 - odd*x
	}
	return x
}

func TestMixIsABijection(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if x := rapid.Uint64().Draw(rt, "x"); unmix(mix(x)) != x {
			rt.Fatalf("unmix(mix(%x)) is %x", x, unmix(mix(x)))
		}
	})
}

// A flipped bit changes about half of a cell's bits, whichever it is: sums of
// cells that are related do not cancel out.
func TestMixSpreads(t *testing.T) {
	const samples = 400
	for bit := range 64 {
		changed := 0
		for i := range uint64(samples) {
			x := rowKey(int32(i%8), int64(i), 0)
			changed += bits.OnesCount64(mix(x) ^ mix(x^1<<bit))
		}
		if mean := float64(changed) / samples; mean < 30 || mean > 34 {
			t.Errorf("bit %d flipped changes %.1f bits of 64, want about 32", bit, mean)
		}
	}
}

// Every loop over a column adds up the cells as Sums defines them.
func TestLoopsAddUpCells(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 70).Draw(rt, "rows")
		values := rapid.SliceOfN(rapid.Int16(), n, n).Draw(rt, "values")
		levels := rapid.SliceOfN(rapid.ByteRange(0, 1), n, n).Draw(rt, "levels")
		key := columnKey(rapid.IntRange(1, 2000).Draw(rt, "column"))
		rows, nulls := make([]uint64, n), make([]uint8, n)
		var all, nullable, absent, truths uint64
		bitmap := make([]byte, (n+7)/8)
		for i := range n {
			rows[i], nulls[i] = rowKey(2, int64(i), uint16(i%2)), 1-levels[i]
			cell := mix(rows[i] ^ key ^ uint64(int64(values[i])))
			all += cell
			truth := uint64(values[i]) & 1
			bitmap[i/8] |= byte(truth << (i % 8))
			truths += mix(rows[i] ^ key ^ truth)
			if levels[i] == 0 {
				cell = ^mix(rows[i] ^ key)
				absent += cell
			}
			nullable += cell
		}
		check := func(loop string, got, want uint64) {
			if got != want {
				rt.Errorf("%s: %x, want %x", loop, got, want)
			}
		}
		check("sumIntegers", sumIntegers(values, rows, key), all)
		check("sumNullable", sumNullable(values, nulls, rows, key), nullable)
		check("sumBits", sumBits(bitmap, rows, key), truths)
		valued, none := split(rows, levels, nil, nil)
		check("split, sumNulls", sumNulls(none, key), absent)
		if len(valued)+len(none) != n {
			rt.Errorf("%d rows are split into %d and %d", n, len(valued), len(none))
		}
		indexes, words := make([]int32, n), make([]uint64, n)
		for i := range n {
			indexes[i], words[n-1-i] = int32(n-1-i), uint64(int64(values[i]))
		}
		sum, err := sumIndexed(indexes, words, rows, key)
		if err != nil {
			rt.Error(err)
		}
		check("sumIndexed", sum, all)
	})
}

// Indexes of a page that cannot be are an error, and nothing is read beyond.
func TestIndexesBeyondADictionary(t *testing.T) {
	f := func(want string, rows int, indexes ...int32) {
		t.Helper()
		_, err := sumIndexed(indexes, []uint64{7, 8}, make([]uint64, rows), 0)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", indexes, err, want)
		}
	}
	f("index 2 of a dictionary of 2 values", 2, 0, 2)
	f("index -1 of a dictionary of 2 values", 1, -1)
	f("1 indexes of a dictionary for 2 rows", 2, 0)
}
