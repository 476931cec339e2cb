package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/schema"
)

// addRollups creates the rollups of a shard whose events were there before. The
// view of such a rollup takes the events from a boundary on, and [Backfill] counts
// those below it. A view that analysts read is created last: without it nothing
// has been counted that another attempt could count again.
func addRollups(ctx context.Context, cfg Config, conn driver.Conn, s *schema.Schema, report func(string)) error {
	for _, r := range s.RollupTables(cfg.ClickHouse.Tables()) {
		comments, err := pairs(ctx, conn, "SELECT name, comment FROM system.tables WHERE database = ? AND name IN (?, ?)", cfg.ClickHouse.Database, r.Name(), r.FeedName())
		if err != nil {
			return fmt.Errorf("read the views of %s: %w", r.Name(), err)
		}
		if _, ok := comments[r.Name()]; ok {
			continue
		}
		if boundary, ok := comments[r.FeedName()]; ok && boundary == "" { // fed from its first event on
			if err := execAll(ctx, conn, r.CreateState(), r.CreateView()); err != nil {
				return err
			}
		} else if err := addRollup(ctx, cfg, conn, s, r); err != nil {
			return err
		}
		report("added rollup " + r.Name())
	}
	return nil
}

// boundaries is how often a boundary is tried, each time further ahead.
const boundaries = 8

// addRollup creates one with a boundary. An event is the view's only if it is
// inserted after the view is there, whoever inserts it: which is sure of what came
// to Kafka after that. So the boundary is named first, as far ahead of the end of
// each partition as that moved the last time, and if one is past it when the view
// is there, it begins anew. A partition that nothing comes to has it at its end.
func addRollup(ctx context.Context, cfg Config, conn driver.Conn, s *schema.Schema, r schema.RollupTables) error {
	if cfg.ClickHouse.Replicated {
		return fmt.Errorf("%s is a rollup that the tables are to get later, which is not backfilled where they are replicated; "+
			"create it by hand (%s; %s; %s) and count its days by `ingest audit --repair-rollups --day`", r.Name(), r.CreateState(), r.CreateFeed(nil), r.CreateView())
	}
	tables := cfg.ClickHouse.Tables()
	others, err := pairs(ctx, conn, fmt.Sprintf("SELECT DISTINCT toString(_topic) AS t, t FROM %s WHERE _topic != ? UNION DISTINCT SELECT DISTINCT toString(_topic) AS t, t FROM %s WHERE _topic != ?",
		s.Hot(tables), s.Sealed(tables)), cfg.Kafka.Topic, cfg.Kafka.Topic)
	if err != nil {
		return fmt.Errorf("read the topics of %s: %w", s.Name, err)
	}
	for other := range others {
		return fmt.Errorf("%s cannot be backfilled: %s has events of topic %s too, and only those of kafka.topic, %s, are known to be complete; "+
			"create it by hand (%s; %s; %s) and count its days by `ingest audit --repair-rollups --day`", r.Name(), s.Name, other, cfg.Kafka.Topic, r.CreateState(), r.CreateFeed(nil), r.CreateView())
	}
	admin, err := cfg.Kafka.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	ahead := map[int32]int64{}
	for range boundaries {
		before, err := ends(ctx, admin, cfg.Kafka.Topic)
		if err != nil {
			return err
		}
		at := map[int32]int64{}
		for p, end := range before {
			at[p] = end + ahead[p]
		}
		boundary := schema.Boundary{cfg.Kafka.Topic: at}
		if err := execAll(ctx, conn, "DROP TABLE IF EXISTS "+r.Feed()+" SYNC", "DROP TABLE IF EXISTS "+r.State()+" SYNC", r.CreateState(), r.CreateFeed(boundary)); err != nil {
			return err
		}
		after, err := ends(ctx, admin, cfg.Kafka.Topic)
		if err != nil {
			return err
		}
		passed := false
		for p, end := range after {
			if end > at[p] {
				passed = true
				ahead[p] = 2 * (end - before[p])
			}
		}
		if !passed {
			return execAll(ctx, conn, r.ReplaceView(filling{Below: boundary}.String()))
		}
	}
	return fmt.Errorf("%s: in %d attempts events came faster to topic %s than the view was created; run `ingest migrate` again", r.Name(), boundaries, cfg.Kafka.Topic)
}

// ends returns the end of each partition of a topic.
func ends(ctx context.Context, admin *kadm.Client, topic string) (map[int32]int64, error) {
	listed, err := admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, listed.Error()); err != nil {
		return nil, fmt.Errorf("the end of topic %s: %w", topic, err)
	}
	all := map[int32]int64{}
	for p, o := range listed[topic] {
		all[p] = o.Offset
	}
	return all, nil
}

func execAll(ctx context.Context, conn driver.Conn, statements ...string) error {
	for _, statement := range statements {
		if err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%.120s: %w", statement, err)
		}
	}
	return nil
}
