package pipeline

import (
	"errors"
	"fmt"
	"strings"

	"penstock/pipeline/evolve"
	"penstock/pipeline/intent"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// Shard is one ClickHouse server, or one set of replicas, that holds a share of
// the rows. Intents name it, so its name must not be given to another.
type Shard struct {
	Name string
	// Addr is host:port of the native protocol.
	Addr string
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Shard) UnmarshalText(text []byte) error {
	name, addr, ok := strings.Cut(string(text), "=")
	if !ok || !intent.IsShard(name) || !strings.Contains(addr, ":") {
		return errors.New("want name=host:port, such as 1=clickhouse-1:9000; a name is of A-Z a-z 0-9 . _ -")
	}
	s.Name, s.Addr = name, addr
	return nil
}

// String is the shard as the config has it.
func (s Shard) String() string { return s.Name + "=" + s.Addr }

// onlyShard is the name of the one shard that is given as an address.
const onlyShard = "1"

// AllShards returns those that take rows, and after them the retired ones.
func (c ClickHouse) AllShards() []Shard {
	if c.Addr != "" {
		return append([]Shard{{onlyShard, c.Addr}}, c.Retired...)
	}
	return append(append([]Shard(nil), c.Shards...), c.Retired...)
}

// ShardOf returns the index in [ClickHouse.AllShards] of the shard that takes the partition's rows.
func (c ClickHouse) ShardOf(partition int32) int {
	return int(partition) % max(1, len(c.AllShards())-len(c.Retired))
}

// shardName returns the name of the shard that takes the partition's rows.
func (c ClickHouse) shardName(partition int32) string {
	return c.AllShards()[c.ShardOf(partition)].Name
}

// shardNamed returns the index of the shard that an intent names.
func (c ClickHouse) shardNamed(name string) (int, error) {
	for i, s := range c.AllShards() {
		if s.Name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("rows may have been stored on the ClickHouse shard %q, which the config does not name; "+
		"put it back: in clickhouse.shards, or in clickhouse.retired if it is to take no new rows", name)
}

// Receipts opens a reader for each of the shards, retired ones too. It connects
// when it is first asked something. The caller closes it.
func (c ClickHouse) Receipts(s *schema.Schema) (receipts.Shards, error) {
	var all receipts.Shards
	for _, shard := range c.AllShards() {
		r, err := receipts.Open(c.Options(shard, c.Database), s, c.Tables())
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, r)
	}
	return all, nil
}

// Schemas opens the registry of the schema's versions on all of the shards. It
// connects when it is first asked something. The caller closes it.
func (c ClickHouse) Schemas(file *schema.Schema) (*evolve.Registry, error) {
	var all []evolve.Shard
	for _, shard := range c.AllShards() {
		all = append(all, evolve.Shard{Name: shard.Name, At: c.Options(shard, c.Database)})
	}
	return evolve.Open(all, c.Tables(), file)
}

// faults reports what is wrong with the shards.
func (c ClickHouse) faults() (errs []error) {
	switch {
	case c.Addr == "" && len(c.Shards) == 0:
		errs = append(errs, errors.New("clickhouse.addr is empty; want host:port of the native protocol, such as localhost:9000"))
	case c.Addr != "" && len(c.Shards) > 0:
		errs = append(errs, fmt.Errorf("clickhouse.addr is %s, and clickhouse.shards is set too; keep one of them", c.Addr))
	}
	seen := map[string]bool{}
	for _, s := range c.AllShards() {
		if seen[s.Name] {
			errs = append(errs, fmt.Errorf("clickhouse.shards and clickhouse.retired have two shards of the name %q; intents name shards, so give each its own", s.Name))
		}
		seen[s.Name] = true
	}
	return errs
}
