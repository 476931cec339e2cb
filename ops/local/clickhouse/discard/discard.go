// Package discard takes the rows of INSERTs that are events, counts them and
// throws them away.
//
// It stands in for the engine where a client is measured: whatever the engine
// does with a row costs the client nothing here, and the counts still show
// whether each row came once. Rows are counted by the Kafka partition they say
// they are from, in their columns _partition and _offset.
package discard

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/block"
	"penstock/ops/local/clickhouse/engine"
)

// Partition is the column that rows have which are discarded: the Kafka partition
// they say they are from.
const Partition = "_partition"

// Path is where a server that discards shows its counts.
const Path = "/discarded"

// Count is what came of one partition.
type Count struct {
	Rows uint64 `json:"rows"`
	// Offsets is the sum of the rows' offsets, First and Last their least and
	// greatest: of as many other rows they would differ.
	Offsets int64 `json:"offsets"`
	First   int64 `json:"first"`
	Last    int64 `json:"last"`
}

func (c *Count) row(offset int64) {
	if c.Rows == 0 {
		c.First, c.Last = offset, offset
	}
	c.Rows++
	c.Offsets += offset
	c.First, c.Last = min(c.First, offset), max(c.Last, offset)
}

func (c *Count) add(other Count) {
	if c.Rows == 0 {
		c.First, c.Last = other.First, other.Last
	}
	c.Rows += other.Rows
	c.Offsets += other.Offsets
	c.First, c.Last = min(c.First, other.First), max(c.Last, other.Last)
}

// Counts are those of all tables since the server was started. It remembers no
// tokens: an INSERT that is repeated counts again.
type Counts struct {
	mu     sync.Mutex
	tables map[string]map[int32]Count // by partition; guarded by mu
}

// NewCounts returns counts of nothing.
func NewCounts() *Counts { return &Counts{tables: map[string]map[int32]Count{}} }

// ServeHTTP answers with the counts as JSON: {table: {partition: Count}}, each
// table named as its INSERTs name it, without quotes.
func (c *Counts) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	text, err := json.Marshal(c.tables)
	c.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // the client may have gone
}

// Insert begins an INSERT into a table. It must end in exactly one of Commit or
// Cancel.
func (c *Counts) Insert(table string) *Insert {
	return &Insert{counts: c, table: table, seen: map[int32]Count{}}
}

// Insert is an INSERT that is taking rows.
type Insert struct {
	counts *Counts
	table  string
	seen   map[int32]Count
	rows   uint64
	bytes  uint64
	err    error // why rows were refused
}

// Write counts the rows of a block of revision 0, whose header is h. It refuses
// rows that do not say where they come from. After an error Commit tells the
// reason.
func (i *Insert) Write(h block.Header, data []byte) error {
	if i.err == nil {
		i.err = i.count(h, data)
	}
	return i.err
}

func (i *Insert) count(h block.Header, data []byte) error {
	partitions, err := i.column(h, data, Partition, "Int32", 4)
	if err != nil {
		return err
	}
	offsets, err := i.column(h, data, "_offset", "Int64", 8)
	if err != nil {
		return err
	}
	// Runs of rows are of one partition: its count is looked up once a run.
	var current int32
	count := i.seen[current]
	for r := range h.Rows {
		if p := int32(binary.LittleEndian.Uint32(partitions[4*r:])); p != current {
			i.keep(current, count)
			current, count = p, i.seen[p]
		}
		count.row(int64(binary.LittleEndian.Uint64(offsets[8*r:])))
	}
	i.keep(current, count)
	i.rows += uint64(h.Rows)
	i.bytes += uint64(len(data))
	return nil
}

func (i *Insert) keep(partition int32, c Count) {
	if c.Rows > 0 {
		i.seen[partition] = c
	}
}

// column is the data of the column of that name, which has to have the type.
func (i *Insert) column(h block.Header, data []byte, name, typ string, width int) ([]byte, error) {
	if at := slices.Index(h.Columns, block.Column{Name: name, Type: typ}); at >= 0 {
		return data[h.Data[at]:][:width*h.Rows], nil
	}
	return nil, engine.NewException(proto.ErrNotImplemented,
		"this server discards what is inserted and counts it by column %s %s, which the INSERT into %s lacks", name, typ, i.table)
}

// Commit enters the rows into the counts, unless some were refused.
func (i *Insert) Commit() (engine.Stats, error) {
	if i.err != nil {
		return engine.Stats{}, i.err
	}
	i.counts.mu.Lock()
	defer i.counts.mu.Unlock()
	table := i.counts.tables[i.table]
	if table == nil {
		table = map[int32]Count{}
		i.counts.tables[i.table] = table
	}
	for p, seen := range i.seen {
		c := table[p]
		c.add(seen)
		table[p] = c
	}
	return engine.Stats{WrittenRows: i.rows, WrittenBytes: i.bytes}, nil
}

// Cancel forgets the rows.
func (i *Insert) Cancel() {}
