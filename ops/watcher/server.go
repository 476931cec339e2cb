package watcher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/pipeline"
	"penstock/schema"
	"penstock/tiering"
)

// server is a ClickHouse server, or one replica of a shard.
type server struct {
	shard      pipeline.Shard
	conn       driver.Conn
	database   string
	schema     *schema.Schema
	tables     schema.Tables
	replicated bool

	// What is asked for every slowly, and when it last was.
	slow  slowly
	asked time.Time
}

// slowEvery is the time between two looks at what changes with a deploy or a day, and
// is much to read: settings of tables, and the list of files in the view's comment.
const slowEvery = time.Minute

// slowly is what is asked for that often.
type slowly struct {
	version string
	limits  map[string]limits // by table
	cold    schema.Cold
	missing []missing
}

// limits are from how many parts of a partition on inserts are slowed down and refused;
// 0 if that is not known.
type limits struct{ delay, throw uint64 }

// Server is what a ClickHouse server says of itself.
type Server struct {
	At      time.Time
	Name    string // of the shard
	Addr    string
	Version string
	Tables  []Table // with parts, by name
	Disks   []Disk
	// ReadOnly are replicas that take no writes; unknown if the server does not tell.
	ReadOnly maybe[uint64]
	Missing  []missing

	partitions []tiering.Partition // of the hot and the sealed table
	cold       schema.Cold
}

// missing is what a server does not tell, and why.
type missing struct{ what, why string }

// Table is how many active parts a table has.
type Table struct {
	Name  string
	Parts uint64
	// Fullest is that of the partition with most, whose name is Partition. Beyond Delay
	// inserts into it are slowed down, beyond Throw refused; 0 if that is not known.
	Fullest      uint64
	Partition    string
	Delay, Throw uint64
}

// Disk is in bytes.
type Disk struct {
	Name        string
	Free, Total uint64
}

func openServer(cfg pipeline.ClickHouse, shard pipeline.Shard, s *schema.Schema) (*server, error) {
	conn, err := clickhouse.Open(cfg.Options(shard, cfg.Database))
	if err != nil {
		return nil, fmt.Errorf("clickhouse.addr %s: %w", shard.Addr, err)
	}
	return &server{shard: shard, conn: conn, database: cfg.Database, schema: s, tables: cfg.Tables(), replicated: cfg.Replicated}, nil
}

// look asks the server. What it has no table for, or the account no right to, is missing
// in the answer; any other fault is an error.
func (s *server) look(ctx context.Context) (Server, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("no answer within %v", lookTimeout))
	defer cancel()
	if time.Since(s.asked) >= slowEvery {
		slow, err := s.lookSlowly(ctx)
		if err != nil {
			return Server{}, err
		}
		s.slow, s.asked = slow, time.Now()
	}
	out := Server{
		At: time.Now(), Name: s.shard.Name, Addr: s.shard.Addr, Version: s.slow.version,
		Missing: slices.Clone(s.slow.missing), cold: s.slow.cold,
	}
	err := s.parts(ctx, &out)
	if err == nil {
		err = optional(&out.Missing, "disks", s.disks(ctx, &out))
	}
	if err == nil {
		err = optional(&out.Missing, "replicas", s.readOnly(ctx, &out))
	}
	return out, err
}

// lookSlowly asks for what is asked for every [slowEvery].
func (s *server) lookSlowly(ctx context.Context) (out slowly, err error) {
	err = s.each(ctx, "ask for the version", "SELECT version()", nil, func(rows driver.Rows) error { return rows.Scan(&out.version) })
	if err != nil {
		return out, err
	}
	if err := optional(&out.missing, "limits of parts", s.limits(ctx, &out)); err != nil {
		return out, err
	}
	var comment string
	view := s.schema.All(s.tables)
	err = s.each(ctx, "read the comment of "+view, s.schema.ViewCommentQuery(s.tables), nil, func(rows driver.Rows) error { return rows.Scan(&comment) })
	if err != nil || comment == "" {
		return out, err
	}
	parsed, err := schema.ParseViewComment(comment)
	if err != nil {
		out.missing = append(out.missing, missing{"days of the cold tier", err.Error()})
	}
	out.cold = parsed.Cold
	return out, nil
}

// optional notes what the server does not tell, and returns any other fault.
func optional(all *[]missing, what string, err error) error {
	var ex *clickhouse.Exception
	if errors.As(err, &ex) && slices.Contains(untold, ex.Code) {
		*all = append(*all, missing{what, err.Error()})
		return nil
	}
	return err
}

// untold are the errors of a server that has no such table or column, or an account
// without the right to it.
var untold = []int32{16, 47, 60, 497}

// parts asks for the active parts of the schema's tables, and for the rows of each day.
func (s *server) parts(ctx context.Context, out *Server) error {
	hot, sealed := s.schema.Name, s.schema.Name+"_sealed"
	days := map[schema.Day]*tiering.Partition{}
	tables := map[string]*Table{}
	query := "SELECT table, partition, count(), sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = $1 AND table IN $2 GROUP BY table, partition"
	err := s.each(ctx, "list parts", query, []any{s.database, s.schema.Relations()}, func(rows driver.Rows) error {
		var table, partition string
		var parts, n, bytes uint64
		if err := rows.Scan(&table, &partition, &parts, &n, &bytes); err != nil {
			return err
		}
		t := tables[table]
		if t == nil {
			t = &Table{Name: table}
			tables[table] = t
		}
		if t.Parts += parts; parts > t.Fullest {
			t.Fullest, t.Partition = parts, partition
		}
		day, err := schema.ParseDay(partition)
		if err != nil || n == 0 || table != hot && table != sealed {
			return nil //nolint:nilerr // only those two have a partition a day
		}
		of := days[day]
		if of == nil {
			of = &tiering.Partition{Day: day}
			days[day] = of
		}
		if table == hot {
			of.HotRows, of.HotBytes = n, bytes
		} else {
			of.SealedRows, of.SealedBytes = n, bytes
		}
		return nil
	})
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t := *tables[name]
		l := s.slow.limits[name]
		t.Delay, t.Throw = l.delay, l.throw
		out.Tables = append(out.Tables, t)
	}
	for _, day := range slices.Sorted(maps.Keys(days)) {
		out.partitions = append(out.partitions, *days[day])
	}
	return err
}

// ownLimit is a limit that a table has of its own, in the statement that made it.
var ownLimit = regexp.MustCompile(`parts_to_(delay|throw)_insert = (\d+)`)

// limits asks for the server's limits of parts, and for those of tables that have their own.
func (s *server) limits(ctx context.Context, out *slowly) error {
	settings := "system.merge_tree_settings"
	if s.replicated {
		settings = "system.replicated_merge_tree_settings"
	}
	server := map[string]uint64{}
	query := "SELECT name, toUInt64(value) FROM " + settings + " WHERE name IN ('parts_to_delay_insert', 'parts_to_throw_insert')"
	err := s.each(ctx, "ask for the limits of parts", query, nil, func(rows driver.Rows) error {
		var name string
		var value uint64
		err := rows.Scan(&name, &value)
		server[name] = value
		return err
	})
	if err != nil {
		return err
	}
	out.limits = map[string]limits{}
	query = "SELECT name, engine_full FROM system.tables WHERE database = $1 AND name IN $2"
	return s.each(ctx, "ask for the tables' settings", query, []any{s.database, s.schema.Relations()}, func(rows driver.Rows) error {
		var name, engine string
		if err := rows.Scan(&name, &engine); err != nil {
			return err
		}
		out.limits[name] = limitsOf(engine, limits{server["parts_to_delay_insert"], server["parts_to_throw_insert"]})
		return nil
	})
}

// limitsOf returns a table's limits: its own, or the server's.
func limitsOf(engine string, l limits) limits {
	for _, own := range ownLimit.FindAllStringSubmatch(engine, -1) {
		value, err := strconv.ParseUint(own[2], 10, 64)
		if err != nil {
			continue // beyond any number of parts
		}
		if own[1] == "delay" {
			l.delay = value
		} else {
			l.throw = value
		}
	}
	return l
}

func (s *server) disks(ctx context.Context, out *Server) error {
	return s.each(ctx, "ask for the disks", "SELECT name, free_space, total_space FROM system.disks ORDER BY name", nil, func(rows driver.Rows) error {
		var d Disk
		err := rows.Scan(&d.Name, &d.Free, &d.Total)
		out.Disks = append(out.Disks, d)
		return err
	})
}

// readOnly asks for the tables of the database that are replicas and take no writes.
func (s *server) readOnly(ctx context.Context, out *Server) error {
	return s.each(ctx, "ask for the replicas", "SELECT countIf(is_readonly) FROM system.replicas WHERE database = $1", []any{s.database}, func(rows driver.Rows) error {
		out.ReadOnly.known = true
		return rows.Scan(&out.ReadOnly.value)
	})
}

// each runs one statement and hands each row of the answer to scan.
func (s *server) each(ctx context.Context, what, statement string, args []any, scan func(driver.Rows) error) (err error) {
	fail := func(err error) error {
		return fmt.Errorf("clickhouse %s: %s: %w", s.shard.Addr, what, errors.Join(err, context.Cause(ctx)))
	}
	rows, err := s.conn.Query(ctx, statement, args...)
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fail(err)
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return nil
}
