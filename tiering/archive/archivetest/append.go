// Package archivetest fills blocks for tests, as a ClickHouse client would by
// decoding into them.
package archivetest

import (
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/tiering/archive"
)

// Append adds one row: a Go value of its type for each column, nil for NULL,
// and milliseconds as int64 for a timestamp.
func Append(b *archive.Block, values ...any) {
	results := b.Results()
	if len(values) != len(results) {
		panic(fmt.Sprintf("BUG: %d values for %d columns", len(values), len(results)))
	}
	for i, v := range values {
		switch col := results[i].Data.(type) {
		case *proto.ColStr:
			col.Append(v.(string))
		case *archive.LowCardinality:
			col.Append(v.(string))
		case *proto.ColBool:
			col.Append(v.(bool))
		case *proto.ColInt8:
			col.Append(v.(int8))
		case *proto.ColInt16:
			col.Append(v.(int16))
		case *proto.ColInt32:
			col.Append(v.(int32))
		case *proto.ColInt64:
			col.Append(v.(int64))
		case *proto.ColUInt8:
			col.Append(v.(uint8))
		case *proto.ColUInt16:
			col.Append(v.(uint16))
		case *proto.ColUInt32:
			col.Append(v.(uint32))
		case *proto.ColUInt64:
			col.Append(v.(uint64))
		case *proto.ColFloat32:
			col.Append(v.(float32))
		case *proto.ColFloat64:
			col.Append(v.(float64))
		case *proto.ColNullable[string]:
			col.Append(nullable[string](v))
		case *proto.ColNullable[bool]:
			col.Append(nullable[bool](v))
		case *proto.ColNullable[int8]:
			col.Append(nullable[int8](v))
		case *proto.ColNullable[int16]:
			col.Append(nullable[int16](v))
		case *proto.ColNullable[int32]:
			col.Append(nullable[int32](v))
		case *proto.ColNullable[int64]:
			col.Append(nullable[int64](v))
		case *proto.ColNullable[uint8]:
			col.Append(nullable[uint8](v))
		case *proto.ColNullable[uint16]:
			col.Append(nullable[uint16](v))
		case *proto.ColNullable[uint32]:
			col.Append(nullable[uint32](v))
		case *proto.ColNullable[uint64]:
			col.Append(nullable[uint64](v))
		case *proto.ColNullable[float32]:
			col.Append(nullable[float32](v))
		case *proto.ColNullable[float64]:
			col.Append(nullable[float64](v))
		default:
			panic(fmt.Sprintf("BUG: column %s is a %T", results[i].Name, col))
		}
	}
}

// Reset empties the block.
func Reset(b *archive.Block) {
	for _, r := range b.Results() {
		r.Data.Reset()
	}
}

func nullable[T any](v any) proto.Nullable[T] {
	if v == nil {
		return proto.Null[T]()
	}
	return proto.NewNullable(v.(T))
}
