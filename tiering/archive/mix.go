package archive

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// The loops that checksums are made by, a column at a time. Each adds up the
// cells of some rows; rows has their [rowKey], and key is the column's.

// mix is a bijection of 64 bits in which each bit of the result depends on each
// of x: David Stafford's variant 13 of MurmurHash3's finalizer, which is that of
// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
// Generators, 2014).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

type integer interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

// sumIntegers adds up values, one a row.
func sumIntegers[T integer](values []T, rows []uint64, key uint64) (sum uint64) {
	rows = rows[:len(values)]
	for i, v := range values {
		sum += mix(rows[i] ^ key ^ uint64(int64(v)))
	}
	return sum
}

// sumNullable adds up values of which some, where nulls is 1, are NULL.
func sumNullable[T integer](values []T, nulls []uint8, rows []uint64, key uint64) (sum uint64) {
	rows, nulls = rows[:len(values)], nulls[:len(values)]
	for i, v := range values {
		null := -uint64(nulls[i] & 1) // all bits or none: no branch to mispredict
		sum += mix(rows[i]^key^uint64(int64(v))&^null) ^ null
	}
	return sum
}

// sumNulls adds up rows that are NULL.
func sumNulls(rows []uint64, key uint64) (sum uint64) {
	for _, row := range rows {
		sum += ^mix(row ^ key)
	}
	return sum
}

// sumBits adds up truth values, the first in the lowest bit of the first byte.
func sumBits(bits []byte, rows []uint64, key uint64) (sum uint64) {
	for i, row := range rows {
		sum += mix(row ^ key ^ uint64(bits[i>>3]>>(i&7)&1))
	}
	return sum
}

// sumWords adds up words by their indexes, which have to be such.
func sumWords[T uint8 | uint16 | uint32](indexes []T, words, rows []uint64, key uint64) (sum uint64) {
	rows = rows[:len(indexes)]
	for i, index := range indexes {
		sum += mix(rows[i] ^ key ^ words[index])
	}
	return sum
}

// sumIndexed does so with indexes that somebody else has written.
func sumIndexed(indexes []int32, words, rows []uint64, key uint64) (sum uint64, err error) {
	if len(indexes) != len(rows) {
		return 0, fmt.Errorf("%d indexes of a dictionary for %d rows that have one", len(indexes), len(rows))
	}
	for i, index := range indexes {
		if uint(index) >= uint(len(words)) { // so is a negative one
			return 0, fmt.Errorf("index %d of a dictionary of %d values", index, len(words))
		}
		sum += mix(rows[i] ^ key ^ words[index])
	}
	return sum, nil
}

// split parts the keys of rows into those that have a value, where levels is 1,
// and those that are NULL. The results use the memory of valued and absent.
func split(rows []uint64, levels []byte, valued, absent []uint64) (_, _ []uint64) {
	valued, absent = grow(valued[:0], len(rows)), grow(absent[:0], len(rows))
	v, a := 0, 0
	for i, level := range levels[:len(rows)] {
		valued[v], absent[a] = rows[i], rows[i] // one of them is overwritten: no branch to mispredict
		v += int(level & 1)
		a += int(^level & 1)
	}
	return valued[:v], absent[:a]
}

// wordOf is a string as a word.
func wordOf(v []byte) uint64 { return xxhash.Sum64(v) }

// grow returns s with n elements more, of any value.
func grow[T any](s []T, n int) []T { return slices.Grow(s, n)[:len(s)+n] }

// as sees a slice as one of another type of the same size: floats as their IEEE
// bits, truth values as 0 and 1.
func as[To, From any](from []From) []To {
	return unsafe.Slice((*To)(unsafe.Pointer(unsafe.SliceData(from))), len(from))
}
