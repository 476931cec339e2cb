package pipeline

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// Check reaches everything a node depends on and reports every fault: the
// topics in Kafka, and in ClickHouse the tables with the schema's columns.
func Check(ctx context.Context, cfg Config, s *schema.Schema, report func(step string)) error {
	return errors.Join(checkKafka(ctx, cfg.Kafka, report), checkTables(ctx, cfg.ClickHouse, s, report))
}

func checkTables(ctx context.Context, cfg ClickHouse, s *schema.Schema, report func(string)) (err error) {
	conn, err := cfg.connect(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var faults []error
	for _, table := range []string{s.Name, s.Name + "_sealed"} {
		types, err := pairs(ctx, conn, "SELECT name, type FROM system.columns WHERE database = ? AND table = ?", cfg.Database, table)
		if err != nil {
			return fmt.Errorf("read the columns of %s.%s: %w", cfg.Database, table, err)
		}
		faults = append(faults, compare(s, cfg.Database+"."+table, types))
		report(fmt.Sprintf("table %s.%s: %d columns", cfg.Database, table, len(types)))
	}
	created, err := pairs(ctx, conn, "SELECT name, create_table_query FROM system.tables WHERE database = ?", cfg.Database)
	if err != nil {
		return fmt.Errorf("read the tables of %s: %w", cfg.Database, err)
	}
	return errors.Join(append(faults, checkRelations(s, cfg.Database, created))...)
}

// tokenWindow is what a table that is not replicated needs, or it remembers no
// insert tokens at all; one that is replicated does unless told not to.
var tokenWindow = regexp.MustCompile(`non_replicated_deduplication_window = [1-9]`)

// checkRelations looks for every table and view, by the statements that created
// them.
func checkRelations(s *schema.Schema, database string, created map[string]string) error {
	var faults []error
	for _, name := range s.Relations() {
		statement, ok := created[name]
		switch {
		case !ok && (name == s.Name || name == s.Name+"_sealed"):
			// Its missing columns say so.
		case !ok:
			faults = append(faults, fmt.Errorf("%s.%s does not exist; create it with `ingest migrate`", database, name))
		case strings.Contains(statement, "MergeTree") && !strings.Contains(statement, "Replicated") && !tokenWindow.MatchString(statement):
			faults = append(faults, fmt.Errorf("table %s.%s remembers no insert tokens, so a repeated insert would be stored twice; "+
				"ALTER TABLE %[1]s.%[2]s MODIFY SETTING non_replicated_deduplication_window = 10000", database, name))
		}
	}
	return errors.Join(faults...)
}

// pairs returns the rows of a query for two strings, the second by the first.
func pairs(ctx context.Context, conn driver.Conn, query string, args ...any) (all map[string]string, err error) {
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all = map[string]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		all[key] = value
	}
	return all, rows.Err()
}

// compare holds a table's columns against the schema's.
func compare(s *schema.Schema, table string, types map[string]string) error {
	if len(types) == 0 {
		return fmt.Errorf("table %s does not exist; create it with `ingest migrate`", table)
	}
	var faults []error
	for _, c := range s.Columns() {
		switch got, ok := types[c.Name]; {
		case !ok:
			faults = append(faults, fmt.Errorf("table %s has no column %s; add it: ALTER TABLE %s ADD COLUMN %s %s",
				table, c.Name, table, schema.QuoteIdent(c.Name), c.ClickHouse()))
		case got != c.ClickHouse():
			faults = append(faults, fmt.Errorf("table %s: column %s is %s, the schema says %s; change one of them", table, c.Name, got, c.ClickHouse()))
		}
	}
	return errors.Join(faults...)
}

func checkKafka(ctx context.Context, k Kafka, report func(string)) error {
	admin, err := k.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	topic, dead, err := k.topics(ctx, admin)
	if err != nil {
		return err
	}
	if topic.Err != nil {
		err = errors.Join(err, fmt.Errorf("kafka.topic %s: %w; create it, with as many partitions as it will ever need: a device's events stay in order only while its partition does", k.Topic, topic.Err))
	} else {
		report(fmt.Sprintf("topic %s: %d partitions", k.Topic, len(topic.Partitions)))
	}
	if dead.Err != nil {
		err = errors.Join(err, fmt.Errorf("dead-letter topic %s: %w; create it with `ingest migrate`", k.deadLetterTopic(), dead.Err))
	} else {
		report(fmt.Sprintf("dead-letter topic %s: %d partitions", k.deadLetterTopic(), len(dead.Partitions)))
	}
	return err
}
