package schema

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"google.golang.org/protobuf/encoding/protowire"
)

// Type is the type of a field, by the name the schema file uses.
type Type string

// The types a field can have.
const (
	String      Type = "string"
	Bool        Type = "bool"
	Int8        Type = "int8"
	Int16       Type = "int16"
	Int32       Type = "int32"
	Int64       Type = "int64"
	UInt8       Type = "uint8"
	UInt16      Type = "uint16"
	UInt32      Type = "uint32"
	UInt64      Type = "uint64"
	Float32     Type = "float32"
	Float64     Type = "float64"
	TimestampMS Type = "timestamp_ms" // milliseconds since 1970 UTC
)

// typeViews is how each type appears in ClickHouse, in Parquet, in protobuf and in Avro.
var typeViews = map[Type]struct {
	clickhouse string
	arrow      arrow.DataType
	proto      string         // protobuf's type
	wire       protowire.Type // how it is written
	avro       string         // Avro's type; it has no unsigned ones
}{
	String:      {"String", arrow.BinaryTypes.String, "string", protowire.BytesType, "string"},
	Bool:        {"Bool", arrow.FixedWidthTypes.Boolean, "bool", protowire.VarintType, "boolean"},
	Int8:        {"Int8", arrow.PrimitiveTypes.Int8, "sint32", protowire.VarintType, "int"},
	Int16:       {"Int16", arrow.PrimitiveTypes.Int16, "sint32", protowire.VarintType, "int"},
	Int32:       {"Int32", arrow.PrimitiveTypes.Int32, "sint32", protowire.VarintType, "int"},
	Int64:       {"Int64", arrow.PrimitiveTypes.Int64, "sint64", protowire.VarintType, "long"},
	UInt8:       {"UInt8", arrow.PrimitiveTypes.Uint8, "uint32", protowire.VarintType, "int"},
	UInt16:      {"UInt16", arrow.PrimitiveTypes.Uint16, "uint32", protowire.VarintType, "int"},
	UInt32:      {"UInt32", arrow.PrimitiveTypes.Uint32, "uint32", protowire.VarintType, "long"},
	UInt64:      {"UInt64", arrow.PrimitiveTypes.Uint64, "uint64", protowire.VarintType, "long"},
	Float32:     {"Float32", arrow.PrimitiveTypes.Float32, "float", protowire.Fixed32Type, "float"},
	Float64:     {"Float64", arrow.PrimitiveTypes.Float64, "double", protowire.Fixed64Type, "double"},
	TimestampMS: {"DateTime64(3, 'UTC')", arrow.FixedWidthTypes.Timestamp_ms, "int64", protowire.VarintType, "long"},
}

// Types returns every type, sorted by name.
func Types() []Type {
	types := make([]Type, 0, len(typeViews))
	for t := range typeViews {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

func (t Type) known() bool { _, ok := typeViews[t]; return ok }
