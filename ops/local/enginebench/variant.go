package enginebench

import (
	"regexp"
	"slices"
	"strings"

	ch "github.com/ClickHouse/ch-go"

	"penstock/schema"
)

// The variants that say what each part of the tables costs.
const (
	// Product is the tables as `ingest migrate` creates them.
	Product = "product"
	// Bare is the events alone, Receipts and Rollup with the one or the other.
	Bare     = "bare"
	Receipts = "receipts"
	Rollup   = "rollup"
)

// variant is a way to define the tables, or to insert into them.
type variant struct {
	name, about string
	// change makes it of the product's statements; nil leaves them.
	change func(*schema.Schema, []string) []string
	// settings replace those of the same name that a node inserts with.
	settings []ch.Setting
}

var variants = []variant{
	{name: Product, about: "the tables as they are"},
	{name: Bare, about: "without receipts and rollup", change: func(s *schema.Schema, all []string) []string {
		return withoutReceipts(s, withoutRollup(s, all))
	}},
	{name: Receipts, about: "without rollup", change: withoutRollup},
	{name: Rollup, about: "without receipts", change: withoutReceipts},

	{name: "merged-often", about: "merge_selector_base 5, the server's default", change: replaced("merge_selector_base = 20", "merge_selector_base = 5")},
	{name: "wide", about: "what is inserted is a file a column", change: replaced("min_level_for_wide_part = 1", "min_level_for_wide_part = 0")},
	{name: "statistics", about: "with statistics of every column, the server's default", change: replaced("auto_statistics_types = ''", "auto_statistics_types = 'basic, uniq_v2'")},
	{name: "merged-on-insert", about: "optimize_on_insert 1, the server's default", settings: []ch.Setting{ch.SettingInt("optimize_on_insert", 1)}},

	{name: "lz4", about: "no codec but LZ4", change: func(s *schema.Schema, all []string) []string {
		return replaced("default_compression_codec = 'ZSTD(1)'", "default_compression_codec = 'LZ4'")(s, recoded(``, "")(s, all))
	}},
	{name: "zstd3", about: "ZSTD(3) instead of ZSTD(1)", change: replaced("ZSTD(1)", "ZSTD(3)")},
	{name: "no-deltas", about: "ZSTD(1) for all columns", change: recoded(``, "")},
	{name: "gorilla", about: "Gorilla, ZSTD(1) for floats", change: recoded(`Nullable\(Float\d+\)`, " CODEC(Gorilla, ZSTD(1))")},
	{name: "delta-floats", about: "Delta, ZSTD(1) for floats", change: recoded(`Nullable\(Float\d+\)`, " CODEC(Delta, ZSTD(1))")},
	{name: "double-delta", about: "DoubleDelta, ZSTD(1) for numbers and times that grow", change: replaced("CODEC(Delta", "CODEC(DoubleDelta")},
	{name: "t64", about: "T64, ZSTD(1) for small integers", change: recoded(`Nullable\(U?Int(8|16)\)`, " CODEC(T64, ZSTD(1))")},

	{name: "unsorted", about: "ORDER BY tuple()", change: replaced("ORDER BY (`device_id`, `ts`)", "ORDER BY tuple()")},
	{name: "by-time", about: "ORDER BY (ts, device_id)", change: replaced("ORDER BY (`device_id`, `ts`)", "ORDER BY (`ts`, `device_id`)")},
}

// Variants returns the names of all.
func Variants() []string {
	names := make([]string, len(variants))
	for i, v := range variants {
		names[i] = v.name
	}
	return names
}

// Describe returns a line a variant, for people.
func Describe() string {
	var b strings.Builder
	for _, v := range variants {
		b.WriteString("  " + v.name + strings.Repeat(" ", max(1, 18-len(v.name))) + v.about + "\n")
	}
	return b.String()
}

func variantNamed(name string) (variant, bool) {
	i := slices.IndexFunc(variants, func(v variant) bool { return v.name == name })
	if i < 0 {
		return variant{}, false
	}
	return variants[i], true
}

// statements are those that create the variant's tables.
func (v variant) statements(s *schema.Schema, t schema.Tables) []string {
	all := s.DDL(t)
	if v.change == nil {
		return all
	}
	return v.change(s, all)
}

// withoutRollup takes away the view that fills the rollup, and with it the cost.
func withoutRollup(_ *schema.Schema, all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(statement string) bool {
		return strings.HasPrefix(statement, "CREATE MATERIALIZED VIEW")
	})
}

func withoutReceipts(s *schema.Schema, all []string) []string {
	return replaced(",\n    "+s.Receipts(), "")(s, all)
}

func replaced(old, with string) func(*schema.Schema, []string) []string {
	return func(_ *schema.Schema, all []string) []string {
		out := make([]string, len(all))
		for i, statement := range all {
			out[i] = strings.ReplaceAll(statement, old, with)
		}
		return out
	}
}

// columnCodec finds a column of events: up to its type, the type and comment, and
// the codec.
const columnCodec = "(?m)^(    `\\w+` )(%TYPE% COMMENT '.*')( CODEC\\(.*\\))?,$"

// recoded gives columns of a type, or all for an empty one, another codec.
func recoded(typ, codec string) func(*schema.Schema, []string) []string {
	if typ == "" {
		typ = ".*"
	}
	pattern := regexp.MustCompile(strings.Replace(columnCodec, "%TYPE%", typ, 1))
	return func(_ *schema.Schema, all []string) []string {
		out := make([]string, len(all))
		for i, statement := range all {
			out[i] = pattern.ReplaceAllString(statement, "${1}${2}"+codec+",")
		}
		return out
	}
}
