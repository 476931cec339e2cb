package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go"

	"penstock/schema"
	"penstock/tiering/archive"
)

// InsertSealed implements [tiering.Warehouse]. Each insert has a connection of
// its own: what one carries after an error is unknown. The settings that the
// token's protection depends on are stated, whatever the server's profile says;
// max_execution_time ends an insert that the compactor has given up.
func (w *ClickHouse) InsertSealed(ctx context.Context, rows *archive.Rows, token string) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.config.ReadTimeout,
		fmt.Errorf("no answer within clickhouse.read_timeout, %v", w.config.ReadTimeout))
	defer cancel()
	client, err := w.config.Dial(ctx, ch.Options{
		Address: w.config.Addr, Database: w.config.Database, HandshakeTimeout: w.config.DialTimeout, ReadTimeout: w.config.ReadTimeout,
		Compression: ch.CompressionLZ4, ClientName: "penstock compactor",
	})
	if err != nil {
		return w.fail("connect", err)
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	err = client.Do(ctx, ch.Query{
		Body: w.insertInto(rows), Input: rows.Columns(),
		Settings: []ch.Setting{
			ch.SettingInt("async_insert", 0),
			ch.SettingInt("insert_deduplicate", 1),
			ch.SettingInt("max_insert_threads", 1),
			ch.SettingInt("max_execution_time", int(w.config.ReadTimeout.Seconds())+1),
			{Key: "insert_deduplication_token", Value: token, Important: true},
		},
	})
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return w.fail(fmt.Sprintf("insert %d rows into %s", rows.Len(), w.schema.Sealed(w.config.Tables())), err)
}

// insertInto is the statement for rows. It names their columns: the table may
// have others, which came later than the file.
func (w *ClickHouse) insertInto(rows *archive.Rows) string {
	var names []string
	for _, c := range rows.Columns() {
		names = append(names, schema.QuoteIdent(c.Name))
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES", w.schema.Sealed(w.config.Tables()), strings.Join(names, ", "))
}

// besideRows is how many rows' identities ClickHouse holds at once to look
// others up in, some 100 bytes each.
const besideRows = 4_000_000

// SealedBeside implements [tiering.Warehouse]. A day's devices are divided by
// hash into shares that fit into memory, and each share is looked up by itself.
func (w *ClickHouse) SealedBeside(ctx context.Context, s *schema.Schema, day schema.Day, files []string) (beside uint64, err error) {
	parts, err := w.SealedParts(ctx, day)
	if err != nil {
		return 0, err
	}
	var sealed uint64
	for _, part := range parts {
		sealed += part.Rows
	}
	if len(files) == 0 {
		return sealed, nil
	}
	if err := w.collect(ctx, files); err != nil {
		return 0, err
	}
	source, err := w.source.files(files)
	if err != nil {
		return 0, err
	}
	shares := sealed/besideRows + 1
	for share := range shares {
		var rows uint64
		if err := w.conn.QueryRow(ctx, w.besideQuery(s, day, source, share, shares)).Scan(&rows); err != nil {
			return 0, w.fail("look up the sealed rows of "+day.String()+" in its files", err)
		}
		beside += rows
	}
	return beside, nil
}

func (w *ClickHouse) besideQuery(s *schema.Schema, day schema.Day, files string, share, shares uint64) string {
	var identity []string
	for _, name := range s.Event() {
		identity = append(identity, schema.QuoteIdent(name))
	}
	list := strings.Join(identity, ", ")
	of := fmt.Sprintf("xxHash64(%s) %% %d = %d", schema.QuoteIdent(s.Device), shares, share)
	return fmt.Sprintf("SELECT count() FROM %s WHERE %s AND %s AND (%s) NOT IN (SELECT %[4]s FROM %[5]s WHERE %[3]s)",
		s.Sealed(w.config.Tables()), w.ofDay(day), of, list, s.Files(files))
}
