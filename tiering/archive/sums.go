package archive

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Sums holds one content checksum per column, in the order of the schema's
// columns. A column's checksum is the sum, modulo 2^64, of one hash per row:
//
//	xxhash64(column id, null, place, word)   as little-endian uint64s
//
// where place is the row's position in Kafka (see [place]) and word is the
// value: a number widened to 64 bits (signed ones with their sign, floats by
// their IEEE bits), a bool as 0 or 1, a timestamp as its milliseconds, a string
// as its own xxhash64, and 0 for NULL.
//
// Being a sum it depends on no order, and the sums of two sets of rows add up
// to that of their union. Place is in it so that two values that changed rows
// show, which a sum over the values alone would not notice.
type Sums []Sum

// Sum is a content checksum. It is text in JSON, since not every reader of
// JSON keeps 64 bits of a number.
type Sum uint64

// Add adds the rows other stands for.
func (s Sums) Add(other Sums) {
	for i := range s {
		s[i] += other[i]
	}
}

// cell is the hash of one value.
func cell(id int, null bool, place, word uint64) Sum {
	var b [32]byte
	binary.LittleEndian.PutUint64(b[0:], uint64(id))
	if null {
		b[8] = 1
	}
	binary.LittleEndian.PutUint64(b[16:], place)
	binary.LittleEndian.PutUint64(b[24:], word)
	return Sum(xxhash.Sum64(b[:]))
}

// place is where a row comes from in Kafka, as one number. Partitions are few and
// offsets below 2^48 for any topic that can exist, so it is unique among the first
// events of records; the index of the others is spread over all bits.
func place(partition int32, offset int64, index uint16) uint64 {
	return uint64(offset)<<16 ^ uint64(uint32(partition)) ^ uint64(index)*0x9e3779b97f4a7c15
}

// String returns the checksum as sixteen hexadecimal digits.
func (s Sum) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// MarshalText writes the checksum as [Sum.String] does.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Sum) UnmarshalText(text []byte) error {
	var b [8]byte
	if n, err := hex.Decode(b[:], text); err != nil || n != len(b) {
		return fmt.Errorf("checksum %q is not sixteen hexadecimal digits", text)
	}
	*s = Sum(binary.BigEndian.Uint64(b[:]))
	return nil
}
