package warehouse

import (
	"context"
	"errors"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/schema"
	"penstock/tiering"
)

// Fence implements [tiering.Warehouse]: it drops the views that other compactors
// have prepared, so that their exchange finds nothing.
func (w *ClickHouse) Fence(ctx context.Context, fence uint64) (err error) {
	var others []uint64
	rows, err := w.conn.Query(ctx, w.schema.NextViewsQuery(w.config.Tables()))
	if err != nil {
		return w.fail("list prepared views", err)
	}
	for rows.Next() {
		var other uint64
		if err := rows.Scan(&other); err != nil {
			return w.fail("list prepared views", errors.Join(err, rows.Close()))
		}
		if other != fence {
			others = append(others, other)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return w.fail("list prepared views", err)
	}
	for _, other := range others {
		if err := w.exec(ctx, w.schema.DropNextView(w.config.Tables(), other)); err != nil {
			return err
		}
	}
	return nil
}

// ReplaceView implements [tiering.Warehouse]. CREATE OR REPLACE would do it in one
// statement, which nothing could keep from being executed too late.
func (w *ClickHouse) ReplaceView(ctx context.Context, s *schema.Schema, v tiering.View, fence uint64, confirm func(context.Context) error) error {
	if err := w.collect(ctx, v.Files); err != nil {
		return err
	}
	cold, err := w.cold(v)
	if err != nil {
		return err
	}
	// Two statements and not CREATE OR REPLACE, which makes the view under a random
	// name first, and so needs rights on any table of such a name. What is there is
	// of an earlier try of this compactor.
	if err := w.exec(ctx, s.DropNextView(w.config.Tables(), fence)); err != nil {
		return err
	}
	large := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_query_size": maxQuery}))
	if err := w.exec(large, s.NextView(w.config.Tables(), fence, cold)); err != nil {
		return err
	}
	if err := confirm(ctx); err != nil {
		return err
	}
	if err := w.exec(ctx, s.ExchangeView(w.config.Tables(), fence)); err != nil {
		return err
	}
	return w.exec(ctx, s.DropNextView(w.config.Tables(), fence))
}
