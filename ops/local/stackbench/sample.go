package stackbench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"penstock/ops/local/procfs"
)

// sampleEvery is the time between two samples. One costs Kafka two requests and
// ClickHouse a query over some hundred parts: a few milliseconds of CPU.
const sampleEvery = time.Second

// programs are those whose CPU is counted, and the machine with all that runs on
// it.
var programs = []string{"kafka", "clickhouse", "ingest", "fleet", machine}

const machine = "machine"

// sample is the stack at one moment.
type sample struct {
	at time.Time
	// produced and committed add up the partitions' ends and the group's
	// offsets.
	produced, committed int64
	// cpu is what each program has used since it was started, in seconds. Two
	// samples are compared only if no program was started between them.
	cpu    map[string]float64
	tables map[string]parts
	// forecast is in how many seconds the node expects to have caught up; NaN if
	// it does not say.
	forecast float64
}

// parts are those of a table.
type parts struct {
	active uint64
	// inserted is how many an insert has ever made: the highest block number,
	// of which each inserted part of a MergeTree takes the next.
	inserted uint64
	rows     uint64
	bytes    uint64 // on disk, with the receipts
}

// lag is how many records are not committed.
func (s sample) lag() int64 { return s.produced - s.committed }

// look takes a sample.
func (r *rig) look(ctx context.Context, f *fleet) (s sample, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("a look at the stack took more than 30 s"))
	defer cancel()
	ends, err := r.kafka.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return s, fmt.Errorf("end of topic %s: %w", topic, err)
	}
	committed, err := r.kafka.FetchOffsets(ctx, group)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		return s, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	for p, end := range ends[topic] {
		s.produced += end.Offset
		if at, ok := committed.Lookup(topic, p); ok && at.At > 0 {
			s.committed += at.At
		}
	}
	if s.tables, err = r.parts(ctx); err != nil {
		return s, err
	}
	s.cpu = map[string]float64{}
	a := r.stack.Addresses()
	for program, pid := range map[string]int{"kafka": a.Kafka.Pid, "clickhouse": a.ClickHouse.Pid, "ingest": r.pid(), "fleet": f.Pid()} {
		if pid == 0 {
			continue // kfake is part of this process; a node that is away is none
		}
		if s.cpu[program], err = procfs.CPUSeconds(pid); err != nil {
			return s, fmt.Errorf("CPU time of %s: %w", program, err)
		}
	}
	if s.cpu[machine], err = procfs.MachineSeconds(); err != nil {
		return s, fmt.Errorf("CPU time of all cores: %w", err)
	}
	if s.forecast, err = r.forecast(ctx); err != nil {
		return s, err
	}
	s.at = time.Now()
	return s, nil
}

// forecast asks the node. It says nothing while it does not catch up.
func (r *rig) forecast(ctx context.Context) (float64, error) {
	if r.node == nil {
		return math.NaN(), nil
	}
	page, err := r.node.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	seconds, err := page.Sum("penstock_ingest_catch_up_seconds")
	if err != nil {
		return math.NaN(), nil //nolint:nilerr // there is no such metric while there is nothing to say
	}
	return seconds, nil
}

func (r *rig) pid() int {
	if r.node == nil {
		return 0
	}
	return r.node.Pid()
}

// parts asks ClickHouse for those of every table that has some.
func (r *rig) parts(ctx context.Context) (_ map[string]parts, err error) {
	rows, err := r.tables.Query(ctx, `SELECT table, count(), toUInt64(max(max_block_number)), sum(rows), sum(bytes_on_disk)
FROM system.parts WHERE database = currentDatabase() AND active GROUP BY table`)
	if err != nil {
		return nil, fmt.Errorf("count parts: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all := map[string]parts{}
	for rows.Next() {
		var table string
		var p parts
		if err := rows.Scan(&table, &p.active, &p.inserted, &p.rows, &p.bytes); err != nil {
			return nil, fmt.Errorf("count parts: %w", err)
		}
		all[table] = p
	}
	return all, rows.Err()
}
