package enginebench

import (
	"io"
	"strings"
	"testing"
	"time"

	"penstock/schema"
)

// A variant that changes nothing would be the product under another name.
func TestEveryVariantIsAnother(t *testing.T) {
	s, tables := schema.Telemetry(), schema.Tables{}
	seen := map[string]string{}
	for _, v := range variants {
		text := strings.Join(v.statements(s, tables), ";\n")
		for _, set := range v.settings {
			text += "\n" + set.Key + "=" + set.Value
		}
		if other, ok := seen[text]; ok {
			t.Errorf("%s is the same as %s", v.name, other)
		}
		seen[text] = v.name
	}
	if seen[strings.Join(s.DDL(tables), ";\n")] != Product {
		t.Error("the product is not the tables that are migrated to")
	}
}

// What is in a variant is what its name says, in the hot and the sealed table
// alike: days move from one to the other.
func TestWhatIsInAVariant(t *testing.T) {
	f := func(name, text string, want int) {
		t.Helper()
		v, ok := variantNamed(name)
		if !ok {
			t.Fatalf("there is no variant %s", name)
		}
		if got := strings.Count(strings.Join(v.statements(schema.Telemetry(), schema.Tables{}), "\n"), text); got != want {
			t.Errorf("%s has %q %d times, want %d", name, text, got, want)
		}
	}
	f(Product, "PROJECTION receipts", 2)
	f(Product, "CREATE MATERIALIZED VIEW", 1)
	f(Bare, "PROJECTION receipts", 0)
	f(Bare, "CREATE MATERIALIZED VIEW", 0)
	f(Receipts, "PROJECTION receipts", 2)
	f(Receipts, "CREATE MATERIALIZED VIEW", 0)
	f(Rollup, "PROJECTION receipts", 0)
	f(Rollup, "CREATE MATERIALIZED VIEW", 1)
	f("gorilla", "CODEC(Gorilla, ZSTD(1))", 2*13)
	f("lz4", "default_compression_codec = 'LZ4'", 3)
	f("lz4", "ZSTD", 1) // minute of the rollup
	f("unsorted", "ORDER BY tuple()", 2)
}

// Blocks are what two lanes fill: of one day, each with the partitions of one
// lane, and every offset of a partition in order.
func TestBlocks(t *testing.T) {
	s := &session{cfg: Config{Events: 10_000, Devices: 1000, Rate: 50_000, Progress: io.Discard}, schema: schema.Telemetry(), began: time.Now()}
	blocks, err := s.blocks(1500)
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) != 6 {
		t.Errorf("%d blocks, want 6", len(blocks))
	}
	next := map[int32]int64{}
	lane := map[int32]bool{}
	for _, b := range blocks {
		if b.Rows() != 1500 || b.Day() != schema.DayOf(start.UnixMilli()) {
			t.Errorf("a block has %d rows and begins on %v, want 1500 on %v", b.Rows(), b.Day(), start)
		}
		first := b.Origin(0).Partition
		for row := range b.Rows() {
			p, offset := b.Origin(row).Partition, b.Origin(row).Offset
			if p%lanes != first%lanes || offset != next[p] {
				t.Fatalf("row %d is offset %d of partition %d, in a block that begins with partition %d; want offset %d of the same lane", row, offset, p, first, next[p])
			}
			next[p]++
			lane[p%lanes] = true
		}
	}
	if len(next) != partitions || len(lane) != lanes {
		t.Errorf("events are of %d partitions and %d lanes, want %d and %d", len(next), len(lane), partitions, lanes)
	}
}

func TestMedian(t *testing.T) {
	f := func(want Figures, all ...Figures) {
		t.Helper()
		if got := median(all); got != want {
			t.Errorf("the median of %+v is %+v, want %+v", all, got, want)
		}
	}
	f(Figures{Seconds: 1.235}, Figures{Seconds: 1.2345678})
	f(Figures{Seconds: 2, MergeSeconds: 5}, Figures{Seconds: 1, MergeSeconds: 9}, Figures{Seconds: 3, MergeSeconds: 5}, Figures{Seconds: 2, MergeSeconds: 4})
}

func TestFaultsOfAConfig(t *testing.T) {
	err := Config{Cases: []Case{{"fast", 100}, {Product, 0}}, Events: 10}.Validate()
	for _, want := range []string{`variant "fast" is not one of [product bare`, "--rows is 0", "--events is 10, less than one insert of 100", "--runs is 0", "--devices is 0", "--rate is 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	good := Config{Cases: DefaultCases(), Runs: 1, Events: 500_000, Devices: 1, Rate: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
