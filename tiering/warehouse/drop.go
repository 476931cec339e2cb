package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/failpoint"
	"penstock/schema"
	"penstock/tiering"
)

// dropTries is how often the sealed parts are listed anew because ClickHouse
// merged them, and dropPause how long is waited before: a merge that runs holds
// its parts until it ends.
const (
	dropTries = 60
	dropPause = time.Second
)

// SealedParts implements [tiering.Warehouse].
func (w *ClickHouse) SealedParts(ctx context.Context, day schema.Day) (_ []tiering.Part, err error) {
	if err := w.sync(ctx, w.schema.Name+"_sealed"); err != nil {
		return nil, err
	}
	client, err := w.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return w.sealedParts(ctx, client, day)
}

func (w *ClickHouse) sealedParts(ctx context.Context, client *ch.Client, day schema.Day) ([]tiering.Part, error) {
	var names proto.ColStr
	var first, last proto.ColInt64
	var rows proto.ColUInt64
	var masked, twin proto.ColUInt8
	var parts []tiering.Part
	var counted []int // parts some of whose rows a lightweight DELETE masks
	err := client.Do(ctx, ch.Query{
		// A part without rows is what a drop leaves behind for a while.
		Body: fmt.Sprintf(`SELECT name, min_block_number AS first, max_block_number AS last, rows, has_lightweight_delete AS masked,
				hash_of_all_files IN (SELECT hash_of_all_files FROM system.parts WHERE active AND rows > 0 AND database = %[1]s AND table = %[4]s AND partition = %[3]s) AS twin
			FROM system.parts WHERE active AND rows > 0 AND database = %[1]s AND table = %[2]s AND partition = %[3]s`,
			schema.QuoteString(w.config.Database), schema.QuoteString(w.schema.Name+"_sealed"), schema.QuoteString(day.String()), schema.QuoteString(w.schema.Name)),
		Result: proto.Results{
			{Name: "name", Data: &names}, {Name: "first", Data: &first}, {Name: "last", Data: &last}, {Name: "rows", Data: &rows}, {Name: "masked", Data: &masked}, {Name: "twin", Data: &twin},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range names.Rows() {
				if masked[i] != 0 {
					counted = append(counted, len(parts))
				}
				parts = append(parts, tiering.Part{Name: names.Row(i), FirstBlock: first[i], LastBlock: last[i], Rows: rows[i], Twin: twin[i] != 0})
			}
			return nil
		},
	})
	if err != nil {
		return nil, w.fail("list the sealed parts of "+day.String(), err)
	}
	for _, i := range counted {
		if parts[i].Rows, err = w.countPart(ctx, client, parts[i].Name); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func (w *ClickHouse) countPart(ctx context.Context, client *ch.Client, part string) (uint64, error) {
	var n proto.ColUInt64
	err := client.Do(ctx, ch.Query{
		Body:   fmt.Sprintf("SELECT count() AS n FROM %s WHERE _part = %s", w.schema.Sealed(w.config.Tables()), schema.QuoteString(part)),
		Result: proto.Results{{Name: "n", Data: &n}},
	})
	if err != nil {
		return 0, w.fail("count the rows of part "+part, err)
	}
	return n[0], nil
}

// DropSealed implements [tiering.Warehouse]. Its DROP PART is the only statement
// of the program that deletes, and names the sealed table only.
//
// A part's name has its block numbers, and what is moved to the table later gets
// others: so however late the statement is executed, it drops what was listed or
// nothing. A server that has lost its last parts of a day may begin its numbers
// again when it is started anew; so all goes over one connection, which does not
// outlive the server.
func (w *ClickHouse) DropSealed(ctx context.Context, day schema.Day, choose func([]tiering.Part) ([]tiering.Part, error)) (err error) {
	// The hot one too: a move that it has still to carry out would take a part for
	// the twin of one that is only sealed.
	if err := errors.Join(w.sync(ctx, w.schema.Name), w.sync(ctx, w.schema.Name+"_sealed")); err != nil {
		return err
	}
	client, err := w.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	for try := 1; ; try++ {
		parts, err := w.sealedParts(ctx, client, day)
		if err != nil {
			return err
		}
		chosen, err := choose(parts)
		if err != nil {
			return err
		}
		err = w.dropParts(ctx, client, chosen)
		// NO_SUCH_DATA_PART, PART_IS_TEMPORARILY_LOCKED: a merge is through, or at it.
		if err == nil || try == dropTries || !slices.Contains([]int{232, 384}, code(err)) {
			return err
		}
		select {
		case <-time.After(dropPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Unseal implements [tiering.Warehouse], by a mutation that it waits for.
func (w *ClickHouse) Unseal(ctx context.Context, day schema.Day) (rows uint64, err error) {
	t := w.config.Tables()
	var origin []string
	for _, name := range []string{schema.ColTopic, schema.ColPartition, schema.ColOffset, schema.ColIndex} {
		origin = append(origin, schema.QuoteIdent(name))
	}
	both := fmt.Sprintf("%s AND (%s) IN (SELECT %[2]s FROM %[3]s WHERE %[1]s)", w.ofDay(day), strings.Join(origin, ", "), w.schema.Hot(t))
	if err := w.conn.QueryRow(ctx, fmt.Sprintf("SELECT count() FROM %s WHERE %s", w.schema.Sealed(t), both)).Scan(&rows); err != nil {
		return 0, w.fail("look for rows of "+day.String()+" that are hot and sealed", err)
	}
	if rows == 0 {
		return 0, nil
	}
	settings := clickhouse.Settings{"mutations_sync": 2, "allow_nondeterministic_mutations": 1} // which it is not, while nothing moves
	return rows, w.exec(clickhouse.Context(ctx, clickhouse.WithSettings(settings)),
		fmt.Sprintf("ALTER TABLE %s DELETE IN PARTITION %s WHERE %s", w.schema.Sealed(t), schema.QuoteString(day.String()), both))
}

func (w *ClickHouse) dropParts(ctx context.Context, client *ch.Client, parts []tiering.Part) error {
	for _, part := range parts {
		statement := fmt.Sprintf("ALTER TABLE %s DROP PART %s", w.schema.Sealed(w.config.Tables()), schema.QuoteString(part.Name))
		if err := client.Do(ctx, ch.Query{Body: statement, Settings: []ch.Setting{ch.SettingInt(everyReplica, 2)}}); err != nil {
			return w.fail(statement, err)
		}
		failpoint.At("drop.part")
	}
	return nil
}
