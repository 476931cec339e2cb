package enginebench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/procfs"
	"penstock/ops/local/stack"
	"penstock/schema"
)

// server is a ClickHouse with the tables of one variant.
type server struct {
	*stack.ClickHouse
	state   string // folder of all it keeps
	variant variant
	schema  *schema.Schema
	tables  schema.Tables
	into    string
	clients [lanes]*ch.Client // one a lane, as of a node
	inserts int
}

// start starts a server that has nothing in it.
func (s *session) start(ctx context.Context, v variant) (_ *server, err error) {
	s.runs++
	cfg := s.cfg.Stack
	cfg.State = filepath.Join(cfg.State, fmt.Sprint("run-", s.runs))
	clickhouse, err := stack.StartClickHouse(ctx, cfg)
	if err != nil {
		return nil, err
	}
	at := clickhouse.Address()
	out := &server{ClickHouse: clickhouse, state: cfg.State, variant: v, schema: s.schema, tables: schema.Tables{Database: at.Database}}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.stop())
		}
	}()
	var names []string
	for _, c := range s.schema.Columns() {
		names = append(names, schema.QuoteIdent(c.Name))
	}
	out.into = fmt.Sprintf("INSERT INTO %s (%s) VALUES", s.schema.Hot(out.tables), strings.Join(names, ", "))
	for i := range out.clients {
		if out.clients[i], err = ch.Dial(ctx, ch.Options{
			Address: at.Native, User: at.User, Password: at.Password, Database: at.Database, ReadTimeout: time.Minute,
		}); err != nil {
			return nil, err
		}
	}
	for _, statement := range v.statements(s.schema, out.tables) {
		if err := out.exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *server) stop() (err error) {
	for _, c := range s.clients {
		if c != nil && !c.IsClosed() {
			err = errors.Join(err, c.Close())
		}
	}
	return errors.Join(err, s.Stop())
}

func (s *server) exec(ctx context.Context, statement string) error {
	if err := s.clients[0].Do(ctx, ch.Query{Body: statement}); err != nil {
		return fmt.Errorf("%.200s: %w", statement, err)
	}
	return nil
}

// insert stores a block as a node does, under a token of its own.
func (s *server) insert(ctx context.Context, b *schema.Block) error {
	s.inserts++
	settings := append([]ch.Setting{
		ch.SettingInt("async_insert", 0),
		ch.SettingInt("insert_deduplicate", 1),
		ch.SettingInt("deduplicate_blocks_in_dependent_materialized_views", 1),
		ch.SettingInt("max_insert_threads", 1),
		ch.SettingInt("optimize_on_insert", 0),
		{Key: "insert_deduplication_token", Value: fmt.Sprint("bench-", s.inserts), Important: true},
	}, s.variant.settings...)
	return s.clients[s.inserts%lanes].Do(ctx, ch.Query{Body: s.into, Input: b.Input(), Settings: settings})
}

// number reads one number; none is 0.
func (s *server) number(ctx context.Context, query string) (float64, error) {
	var v proto.ColFloat64
	err := s.clients[0].Do(ctx, ch.Query{Body: "SELECT toFloat64(ifNull(" + query + ", 0)) AS v", Result: proto.Results{{Name: "v", Data: &v}}})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	if v.Rows() != 1 {
		return 0, fmt.Errorf("%s: %d rows, want one", query, v.Rows())
	}
	return v.Row(0), nil
}

// used is the CPU time of the process so far.
func (s *server) used() (procfs.Usage, error) { return procfs.CPU(s.Process().Pid()) }
