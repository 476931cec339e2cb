package schema

import (
	"fmt"
	"strconv"
)

// fallback is the expression a column of a later version has as its DEFAULT: it
// reads from extra what nodes of versions before it kept there. So rows stored
// before the column was, rows of nodes that do not know it yet, and rows that
// name it are read in one way, by its name.
//
// It takes what the decoder would have, and nothing else: JSONExtract alone
// makes numbers of text and cuts fractions off. It depends on the row only, so
// an insert that is repeated stores the same.
//
// Where it is less than the decoder: of an object with a number that ClickHouse
// cannot read, such as a whole one of more than 64 bits, ClickHouse reads
// nothing, and the column is NULL. The value is in extra as it was sent.
func (c Column) fallback() string {
	name := QuoteString(c.Name)
	kind := fmt.Sprintf("JSONType(%s, %s)", ColExtra, name)
	as := func(clickhouse string) string {
		return fmt.Sprintf("JSONExtract(%s, %s, 'Nullable(%s)')", ColExtra, name, clickhouse)
	}
	view := typeViews[c.Type].clickhouse
	var branches string
	switch c.Type {
	case String, Bool:
		branches = fmt.Sprintf("%s = '%s', %s", kind, c.Type.json(), as(view))
	case Float32:
		// Beyond its range JSONExtract has infinity, which fits no column.
		branches = fmt.Sprintf("%s IN ('Int64', 'UInt64', 'Double'), if(isFinite(%s), %[2]s, NULL)", kind, as(view))
	case Float64:
		branches = fmt.Sprintf("%s IN ('Int64', 'UInt64', 'Double'), %s", kind, as(view))
	case TimestampMS:
		text := as("String")
		branches = fmt.Sprintf("%s = 'Int64', fromUnixTimestamp64Milli(assumeNotNull(%s), 'UTC'), "+
			"%[1]s = 'String' AND match(assumeNotNull(%[3]s), %[4]s), parseDateTime64BestEffortOrNull(assumeNotNull(%[3]s), 3, 'UTC')",
			kind, as("Int64"), text, QuoteString(rfc3339))
	default:
		branches = fmt.Sprintf("%s IN ('Int64', 'UInt64'), %s", kind, as(view))
	}
	number := QuoteString(strconv.Itoa(c.ID))
	expr := fmt.Sprintf("multiIf(%s, JSONType(%s, %s) = 'Object', %s, NULL)", branches, ColExtra, number, c.byNumber(number))
	if c.Nullable {
		return expr
	}
	return fmt.Sprintf("ifNull(%s, %s)", expr, c.zero())
}

// rfc3339 is the text that a timestamp may be.
const rfc3339 = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$`

// json is the type's in JSON, as ClickHouse names it.
func (t Type) json() string {
	if t == Bool {
		return "Bool"
	}
	return "String"
}

// zero is the value of a column that is not nullable where there is none.
func (c Column) zero() string {
	switch c.Type {
	case String:
		return "''"
	case Bool:
		return "false"
	case TimestampMS:
		return "toDateTime64(0, 3, 'UTC')"
	}
	return "0"
}

// byNumber is the column's value in what [keptField] says stands under its
// number, from a node that read protobuf. The last of several counts.
func (c Column) byNumber(number string) string {
	read := func(reading, as string) string {
		return fmt.Sprintf("coalesce(JSONExtract(%s, %s, '%s', -1, 'Nullable(%s)'), JSONExtract(%[1]s, %[2]s, '%[3]s', 'Nullable(%[4]s)'))", ColExtra, number, reading, as)
	}
	varint := read("varint", "UInt64")
	// of the lower half, as protobuf reads what is shorter than 64 bits
	half := fmt.Sprintf("bitAnd(%s, 4294967295)", varint)
	zigzag := func(of string) string {
		return fmt.Sprintf("if(bitAnd(%s, 1) = 0, toInt64(bitShiftRight(%[1]s, 1)), -1 - toInt64(bitShiftRight(%[1]s, 1)))", of)
	}
	within := func(value, lo, hi string) string {
		return fmt.Sprintf("if(%s BETWEEN %s AND %s, %[1]s, NULL)", value, lo, hi)
	}
	switch c.Type {
	case String:
		return read("string", "String")
	case Bool:
		return fmt.Sprintf("CAST(%s != 0, 'Nullable(Bool)')", varint)
	case Float32:
		return read("float", "Float32")
	case Float64:
		return read("double", "Float64")
	case TimestampMS:
		return fmt.Sprintf("fromUnixTimestamp64Milli(reinterpretAsInt64(%s), 'UTC')", varint)
	case UInt64:
		return varint
	case UInt32:
		return half
	case UInt16:
		return within(half, "0", "65535")
	case UInt8:
		return within(half, "0", "255")
	case Int64:
		return zigzag(varint)
	case Int32:
		return zigzag(half)
	case Int16:
		return within(zigzag(half), "-32768", "32767")
	case Int8:
		return within(zigzag(half), "-128", "127")
	}
	panic("BUG: no fallback for type " + string(c.Type))
}
