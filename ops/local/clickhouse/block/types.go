package block

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// widths are the types whose values all have the same size, in bytes.
var widths = map[string]int{
	"Nothing": 1, "Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1,
	"Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
	"Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "DateTime32": 4, "IPv4": 4, "Time": 4, "Decimal32": 4,
	"Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Time64": 8, "Decimal64": 8,
	"Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16,
	"Int256": 32, "UInt256": 32, "Decimal256": 32,
}

// geometries are names for types made of others.
var geometries = map[string]string{
	"Point":           "Tuple(Float64, Float64)",
	"Ring":            "Array(Point)",
	"LineString":      "Array(Point)",
	"Polygon":         "Array(Ring)",
	"MultiLineString": "Array(LineString)",
	"MultiPolygon":    "Array(Polygon)",
}

// layoutOf reads a type as ClickHouse writes it.
func layoutOf(t string) (layout, error) {
	name, args := t, ""
	if i := strings.IndexByte(t, '('); i >= 0 && strings.HasSuffix(t, ")") {
		name, args = t[:i], t[i+1:len(t)-1]
	}
	if n, ok := widths[name]; ok {
		return fixedLayout(n), nil
	}
	if g, ok := geometries[name]; ok {
		return layoutOf(g)
	}
	if strings.HasPrefix(name, "Interval") {
		return fixedLayout(8), nil
	}
	switch name {
	case "String":
		return stringLayout{}, nil
	case "FixedString":
		n, err := strconv.Atoi(args)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("type %s: its length is not a positive number", t)
		}
		return fixedLayout(n), nil
	case "Decimal":
		return decimalLayout(t, args)
	case "Nullable", "Array", "LowCardinality":
		of, err := layoutOf(args)
		if err != nil {
			return nil, err
		}
		switch name {
		case "Nullable":
			return nullableLayout{of}, nil
		case "Array":
			return arrayLayout{of}, nil
		}
		if n, ok := of.(nullableLayout); ok {
			of = n.of // null is the dictionary's first entry
		}
		return lowCardinality{of}, nil
	case "Tuple", "Nested", "Map":
		parts := split(args)
		if len(parts) == 0 {
			return fixedLayout(1), nil // an empty Tuple is a zero byte a row
		}
		tuple := make(tupleLayout, len(parts))
		for i, p := range parts {
			var err error
			if tuple[i], err = layoutOf(elementType(p)); err != nil {
				return nil, err
			}
		}
		if name == "Tuple" {
			return tuple, nil
		}
		return arrayLayout{tuple}, nil
	case "SimpleAggregateFunction":
		parts := split(args)
		return layoutOf(parts[len(parts)-1])
	}
	return &opaqueLayout{of: column.Type(t)}, nil
}

func decimalLayout(t, args string) (layout, error) {
	precision, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(args, ",", 2)[0]))
	if err != nil {
		return nil, fmt.Errorf("type %s: its precision is not a number", t)
	}
	for _, step := range []struct{ precision, width int }{{9, 4}, {18, 8}, {38, 16}} {
		if precision <= step.precision {
			return fixedLayout(step.width), nil
		}
	}
	return fixedLayout(32), nil
}

// split cuts type arguments at their top-level commas.
func split(args string) (parts []string) {
	depth, from := 0, 0
	var quote byte
	for i := 0; i < len(args); i++ {
		switch c := args[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '`':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(args[from:i]))
			from = i + 1
		}
	}
	if last := strings.TrimSpace(args[from:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}

// elementType drops the name from an element of a Tuple such as `a b` UInt8.
func elementType(element string) string {
	if strings.HasPrefix(element, "`") {
		for i := 1; i < len(element); i++ {
			switch element[i] {
			case '\\':
				i++
			case '`':
				return strings.TrimSpace(element[i+1:])
			}
		}
	}
	space, paren := strings.IndexByte(element, ' '), strings.IndexByte(element, '(')
	if space < 0 || paren >= 0 && paren < space {
		return element
	}
	return strings.TrimSpace(element[space+1:])
}
