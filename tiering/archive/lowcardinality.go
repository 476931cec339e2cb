package archive

import (
	"fmt"
	"slices"

	"github.com/ClickHouse/ch-go/proto"
)

// LowCardinality is a column of strings with few distinct values, as ClickHouse
// sends it: a dictionary a block, which may hold values that no row has, and an
// index of it a row.
//
// Not the client library's generic column: that one makes a Go string of every
// row.
type LowCardinality struct {
	Dictionary proto.ColStr
	proto.ColLowCardinalityRaw
}

func newLowCardinality() *LowCardinality {
	c := new(LowCardinality)
	c.Index = &c.Dictionary
	return c
}

// DecodeColumn implements [proto.ColResult]. It refuses an index that is not in
// the dictionary, so that nobody else has to look.
func (c *LowCardinality) DecodeColumn(r *proto.Reader, rows int) error {
	if err := c.ColLowCardinalityRaw.DecodeColumn(r, rows); err != nil || rows == 0 {
		return err
	}
	var most uint64
	switch keys := c.keys().(type) {
	case proto.ColUInt8:
		most = uint64(slices.Max(keys))
	case proto.ColUInt16:
		most = uint64(slices.Max(keys))
	case proto.ColUInt32:
		most = uint64(slices.Max(keys))
	default:
		return fmt.Errorf("low-cardinality column with indexes of type %v; a block has fewer than 2^32 rows", c.Key)
	}
	if most >= uint64(c.Dictionary.Rows()) {
		return fmt.Errorf("low-cardinality column with index %d into %d values", most, c.Dictionary.Rows())
	}
	return nil
}

// keys are the indexes, as a ColUInt8, ColUInt16 or ColUInt32.
func (c *LowCardinality) keys() any {
	switch c.Key {
	case proto.KeyUInt8:
		return c.Keys8
	case proto.KeyUInt16:
		return c.Keys16
	case proto.KeyUInt32:
		return c.Keys32
	}
	return c.Keys64
}

// RowBytes returns a row's value.
func (c *LowCardinality) RowBytes(row int) []byte {
	switch c.Key {
	case proto.KeyUInt8:
		return c.Dictionary.RowBytes(int(c.Keys8[row]))
	case proto.KeyUInt16:
		return c.Dictionary.RowBytes(int(c.Keys16[row]))
	}
	return c.Dictionary.RowBytes(int(c.Keys32[row]))
}

// Append appends a row's value to the dictionary and its index.
func (c *LowCardinality) Append(v string) {
	c.Key = proto.KeyUInt32
	c.Keys32 = append(c.Keys32, uint32(c.Dictionary.Rows()))
	c.Dictionary.Append(v)
}
