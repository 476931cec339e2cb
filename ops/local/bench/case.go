package bench

import (
	"fmt"
	"slices"
	"strings"
)

// The values of a case. Compression is clickhouse.compression.
const (
	JSON     = "json"
	Protobuf = "protobuf"

	// Null takes an insert as ClickHouse does, and counts its rows instead of
	// storing them: what is left is the node alone.
	Null = "null"
	// ClickHouse stores them, with receipts and rollup.
	ClickHouse = "clickhouse"

	Uncompressed = "none"
	LZ4          = "lz4"
	ZSTD         = "zstd"
)

// Case is one way to run a node.
type Case struct {
	Encoding    string `json:"encoding"`
	Engine      string `json:"engine"`
	Compression string `json:"compression"`
}

// String is what names the case, such as json-clickhouse-none.
func (c Case) String() string { return c.Encoding + "-" + c.Engine + "-" + c.Compression }

// DefaultCases are those of a bench that nobody chose cases for.
func DefaultCases() []Case {
	return []Case{
		{JSON, Null, Uncompressed},
		{Protobuf, Null, Uncompressed},
		{JSON, ClickHouse, Uncompressed},
		{Protobuf, ClickHouse, Uncompressed},
		{JSON, ClickHouse, LZ4},
		{JSON, ClickHouse, ZSTD},
	}
}

// ParseCases reads names of cases; none are the default ones.
func ParseCases(names []string) ([]Case, error) {
	if len(names) == 0 {
		return DefaultCases(), nil
	}
	var cases []Case
	for _, name := range names {
		parts := strings.Split(name, "-")
		if len(parts) != 3 || !slices.Contains([]string{JSON, Protobuf}, parts[0]) ||
			!slices.Contains([]string{Null, ClickHouse}, parts[1]) || !slices.Contains([]string{Uncompressed, LZ4, ZSTD}, parts[2]) {
			return nil, fmt.Errorf("case %q is not {%s|%s}-{%s|%s}-{%s|%s|%s}, such as %v",
				name, JSON, Protobuf, Null, ClickHouse, Uncompressed, LZ4, ZSTD, DefaultCases()[0])
		}
		cases = append(cases, Case{parts[0], parts[1], parts[2]})
	}
	return cases, nil
}
