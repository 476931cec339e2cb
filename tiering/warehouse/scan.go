package warehouse

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"penstock/schema"
	"penstock/tiering/archive"
)

// maxRevision keeps the server from sending sparse columns, which ch-go cannot
// decode: it asks for the protocol before they were in it.
const maxRevision = int(proto.FeatureCustomSerialization) - 1

// sortBytes is how much of a scan of files the server sorts in memory before it
// goes on with files of its own.
const sortBytes = 1 << 30

// ScanSealed implements [tiering.Warehouse]. One query, so one snapshot; the
// order begins with the table's own, so the server merges its parts as it reads
// and holds little.
func (w *ClickHouse) ScanSealed(ctx context.Context, s *schema.Schema, day schema.Day, earlier []string, each func(*archive.Block, []bool) error) error {
	if err := w.collect(ctx, earlier); err != nil {
		return err
	}
	files, err := w.source.files(earlier)
	if err != nil {
		return err
	}
	known := new(proto.ColBool)
	return w.scan(ctx, s, "read the sealed rows of "+day.String(), w.scanQuery(s, day, files), proto.ResultColumn{Name: "known", Data: known},
		func(b *archive.Block) error { return each(b, *known) })
}

// ScanFiles implements [tiering.Warehouse].
func (w *ClickHouse) ScanFiles(ctx context.Context, s *schema.Schema, keys []string, each func(*archive.Block, []uint32) error) error {
	if err := w.collect(ctx, keys); err != nil {
		return err
	}
	query, err := w.filesQuery(s, keys)
	if err != nil {
		return err
	}
	number := new(proto.ColUInt32) // from 1; 0 is no file that was asked for
	doing := fmt.Sprintf("read %d files of the cold tier", len(keys))
	return w.scan(ctx, s, doing, query, proto.ResultColumn{Name: "_from", Data: number}, func(b *archive.Block) error {
		for i, n := range *number {
			if n == 0 || int(n) > len(keys) {
				return fmt.Errorf("row %d of a block is from file %d of the %d that were asked for", i, n, len(keys))
			}
			(*number)[i]--
		}
		return each(b, *number)
	})
}

// scan sends a query for a schema's columns, in the form an archive.Block has
// them, and one more, and calls each when a block of both is there.
func (w *ClickHouse) scan(ctx context.Context, s *schema.Schema, doing, query string, more proto.ResultColumn, each func(*archive.Block) error) (err error) {
	client, err := w.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	block := archive.NewBlock(s)
	var failed error // each's own, which is not ClickHouse's
	err = client.Do(ctx, ch.Query{
		Body:   query,
		Result: append(block.Results(), more),
		OnResult: func(context.Context, proto.Block) error {
			if block.Rows() > 0 {
				failed = each(block)
			}
			return failed
		},
		Settings: []ch.Setting{
			ch.SettingInt("max_block_size", w.config.BlockRows),
			ch.SettingInt("max_threads", w.config.ReadThreads),
			ch.SettingInt("optimize_read_in_order", 1),
			ch.SettingInt("max_bytes_before_external_sort", sortBytes),
			ch.SettingInt("max_query_size", maxQuery),
		},
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return w.fail(doing, err)
	}
	return nil
}

// scanQuery asks for every column in the form an archive.Block has it, and
// whether a row's identity is in these files. ClickHouse reads of them only the
// identities, keeps only those of the sealed rows, and skips by device.
func (w *ClickHouse) scanQuery(s *schema.Schema, day schema.Day, files string) string {
	known := "false"
	if files != "" {
		var identity []string
		for _, name := range s.Event() {
			identity = append(identity, schema.QuoteIdent(name))
		}
		list := strings.Join(identity, ", ")
		known = fmt.Sprintf("(%s) IN (SELECT %[2]s FROM %[3]s WHERE (%[2]s) IN (SELECT %[2]s FROM %[4]s WHERE %[5]s))",
			"t."+strings.Join(identity, ", t."), list, s.Files(files), s.Sealed(w.config.Tables()), w.ofDay(day))
	}
	return fmt.Sprintf("SELECT %s, CAST(%s, 'Bool') AS `known` FROM %s AS t WHERE toDate(%s) = %s ORDER BY %s",
		selected(s), known, s.Sealed(w.config.Tables()), column(s.Time.Field), schema.QuoteString(day.String()), order(s))
}

// filesQuery asks for the rows of files as scanQuery does for those of the sealed
// table, and for the place of each row's file in keys, counted from 1. A file's
// name has the hash of its content, and no row is in two files that are listed,
// so a file is known by it without its folder.
func (w *ClickHouse) filesQuery(s *schema.Schema, keys []string) (string, error) {
	files, err := w.source.files(keys)
	if err != nil {
		return "", err
	}
	var names []string
	for _, key := range keys {
		names = append(names, schema.QuoteString(path.Base(key)))
	}
	place := fmt.Sprintf("CAST(indexOf([%s], _file), 'UInt32') AS `_from`", strings.Join(names, ", "))
	return fmt.Sprintf("SELECT %s, `_from` FROM (%s) AS t ORDER BY %s", selected(s), s.FileRows(files, place), order(s)), nil
}

func column(name string) string { return "t." + schema.QuoteIdent(name) }

// selected are the schema's columns in the form an archive.Block has them.
func selected(s *schema.Schema) string {
	var all []string
	for _, c := range s.Columns() {
		expr := column(c.Name)
		switch {
		case c.Type == schema.TimestampMS:
			expr = "toUnixTimestamp64Milli(" + expr + ")"
		case c.LowCardinality:
			expr = "CAST(" + expr + ", 'LowCardinality(String)')"
		}
		all = append(all, expr+" AS "+schema.QuoteIdent(c.Name))
	}
	return strings.Join(all, ", ")
}

// order is total, so that the same rows make the same file every time.
func order(s *schema.Schema) string {
	all := []string{column(s.Device), column(s.Time.Field)}
	for _, name := range s.Event() {
		if name != s.Device && name != s.Time.Field {
			all = append(all, column(name))
		}
	}
	all = append(all, column(schema.ColTopic), column(schema.ColPartition), column(schema.ColOffset), column(schema.ColIndex))
	return strings.Join(all, ", ")
}
