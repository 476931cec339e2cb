package pipeline

import (
	"slices"
	"strings"
	"testing"
)

func shardsOf(t *testing.T, texts ...string) []Shard {
	t.Helper()
	out := make([]Shard, len(texts))
	for i, text := range texts {
		if err := out[i].UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if out[i].String() != text {
			t.Errorf("%q is printed as %q", text, out[i])
		}
	}
	return out
}

func TestAShardIsReadFromItsText(t *testing.T) {
	got := shardsOf(t, "1=clickhouse-1:9000", "eu-west_2.b=[::1]:9000")
	if want := []Shard{{"1", "clickhouse-1:9000"}, {"eu-west_2.b", "[::1]:9000"}}; !slices.Equal(got, want) {
		t.Errorf("got %+v; want %+v", got, want)
	}
	for _, text := range []string{"", "clickhouse-1:9000", "=clickhouse-1:9000", "1=clickhouse-1", "a b=c:9000", "a/b=c:9000", "a:b=c:9000", strings.Repeat("x", 65) + "=c:9000"} {
		var s Shard
		if err := s.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "name=host:port") {
			t.Errorf("%q: got %v, %v; want it refused, with the form", text, s, err)
		}
	}
}

// A partition goes to one of the shards that take rows, and an intent's shard
// is found among all.
func TestWhichShardTakesAPartition(t *testing.T) {
	f := func(c ClickHouse, names ...string) {
		t.Helper()
		for p, want := range names {
			i := c.ShardOf(int32(p))
			if got := c.shardName(int32(p)); got != want || c.AllShards()[i].Name != want {
				t.Errorf("p%d goes to %s, index %d; want %s", p, got, i, want)
			}
		}
		for i, s := range c.AllShards() {
			if got, err := c.shardNamed(s.Name); err != nil || got != i {
				t.Errorf("shard %s is %d, %v; want %d", s.Name, got, err, i)
			}
		}
		if _, err := c.shardNamed("gone"); err == nil || !strings.Contains(err.Error(), "clickhouse.retired") || !strings.Contains(err.Error(), `"gone"`) {
			t.Errorf("an unknown shard: %v; want its name and the remedy", err)
		}
	}
	retired := shardsOf(t, "old=o:9000", "older=p:9000")
	f(ClickHouse{Addr: "c:9000"}, "1", "1", "1")
	f(ClickHouse{Addr: "c:9000", Retired: retired}, "1", "1", "1")
	f(ClickHouse{Shards: shardsOf(t, "a=a:9000", "b=b:9000", "c=c:9000")}, "a", "b", "c", "a")
	f(ClickHouse{Shards: shardsOf(t, "a=a:9000", "b=b:9000"), Retired: retired}, "a", "b", "a", "b")
}

func TestFaultsOfShards(t *testing.T) {
	f := func(what string, c ClickHouse, faults ...string) {
		t.Helper()
		got := c.faults()
		if len(got) != len(faults) {
			t.Errorf("%s: got %v; want %d faults", what, got, len(faults))
			return
		}
		for i, want := range faults {
			if !strings.Contains(got[i].Error(), want) {
				t.Errorf("%s: got %v; want it to say %q", what, got[i], want)
			}
		}
	}
	a, b := Shard{"a", "a:9000"}, Shard{"b", "b:9000"}
	f("an address", ClickHouse{Addr: "c:9000"})
	f("shards, one of them retired", ClickHouse{Shards: []Shard{a}, Retired: []Shard{b}})
	f("nothing", ClickHouse{}, "clickhouse.addr is empty")
	f("only retired ones", ClickHouse{Retired: []Shard{a}}, "clickhouse.addr is empty")
	f("both", ClickHouse{Addr: "c:9000", Shards: []Shard{a}}, "keep one of them")
	f("one name twice", ClickHouse{Shards: []Shard{a, b, {"a", "c:9000"}}}, `the name "a"`)
	f("a retired one's name is used again", ClickHouse{Shards: []Shard{a}, Retired: []Shard{{"a", "old:9000"}}}, `the name "a"`)
	f("the name of the only one", ClickHouse{Addr: "c:9000", Retired: []Shard{{onlyShard, "old:9000"}}}, `the name "1"`)
}
