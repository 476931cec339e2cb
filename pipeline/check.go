package pipeline

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// Check reaches everything a node depends on and reports every fault: the
// topics in Kafka, in ClickHouse the tables with the schema's columns, and the
// source that tells of devices.
func Check(ctx context.Context, cfg Config, s *schema.Schema, report func(step string)) error {
	err := checkServices(ctx, cfg, s, report)
	devices, faults := cfg.devices(s, Events{}.ensure())
	if devices != nil {
		var known int
		if known, faults = devices.Check(ctx); faults == nil {
			report(fmt.Sprintf("devices: %d known", known))
		}
	}
	return errors.Join(err, faults)
}

// checkServices is Check without the source of devices, for which a node has its
// own patience.
func checkServices(ctx context.Context, cfg Config, s *schema.Schema, report func(step string)) error {
	_, err := OpenDecoders(cfg, s, Events{})
	errs := []error{err, checkKafka(ctx, cfg.Kafka, report), checkRegistry(ctx, cfg.Kafka, report)}
	for _, shard := range cfg.ClickHouse.AllShards() {
		errs = append(errs, checkTables(ctx, cfg.ClickHouse, shard, s, report))
	}
	return errors.Join(errs...)
}

// Unreachable is the error of a service that does not answer. What it would say
// is unknown; it may answer a moment later.
type Unreachable struct{ err error }

// Error implements error.
func (u *Unreachable) Error() string { return u.err.Error() }

// Unwrap returns what keeps the service from being reached.
func (u *Unreachable) Unwrap() error { return u.err }

// attemptTimeout bounds one attempt of Await.
const attemptTimeout = 10 * time.Second

// Await is Check for a node that starts, but for the source of devices: a service that does not answer is
// waited for until ctx ends, since a node that is restarted while one is away
// has to come up when it does. Any other fault is returned at once.
func Await(ctx context.Context, cfg Config, s *schema.Schema, events Events, report func(step string)) error {
	again := persistence{what: "check", verdict: fateOfCheck, events: events.ensure()}
	_, err := again.do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeoutCause(ctx, attemptTimeout, fmt.Errorf("no answer within %v", attemptTimeout))
		defer cancel()
		return checkServices(ctx, cfg, s, report)
	})
	return err
}

// fateOfCheck is retry if nothing is wrong but that services do not answer.
func fateOfCheck(err error) (fate, error) {
	switch e := err.(type) { //nolint:errorlint // walks the chain itself: one Unreachable among other faults is not enough
	case *Unreachable:
		return retry, err
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if f, _ := fateOfCheck(one); f != retry {
				return stop, err
			}
		}
		return retry, err
	}
	return stop, err
}

func checkTables(ctx context.Context, cfg ClickHouse, shard Shard, s *schema.Schema, report func(string)) (err error) {
	conn, err := cfg.connect(ctx, shard, cfg.Database)
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
		if err := compare(s, cfg.Database+"."+table, types); err != nil {
			faults = append(faults, err)
			continue
		}
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
		case (name == s.Name || name == s.Name+"_sealed") && !strings.Contains(plain(statement), plain(s.Receipts())):
			faults = append(faults, fmt.Errorf("table %s.%s has no projection receipts, or not with these columns, so nothing tells what is stored; "+
				"ALTER TABLE %[1]s.%[2]s DROP PROJECTION IF EXISTS receipts, ADD %[3]s, and MATERIALIZE PROJECTION receipts", database, name, s.Receipts()))
		}
	}
	return errors.Join(faults...)
}

// plain is a statement without quotes of names and with single spaces: the server
// tells a statement in words of its own.
func plain(statement string) string {
	words := strings.Fields(strings.ReplaceAll(statement, "`", ""))
	return strings.NewReplacer("( ", "(", " )", ")").Replace(strings.Join(words, " "))
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
		err = errors.Join(err, fmt.Errorf("dead-letter topic %s: %w; create it with `ingest migrate`, which gives it as many partitions as kafka.topic has", k.DeadLetters(), dead.Err))
	} else {
		report(fmt.Sprintf("dead-letter topic %s: %d partitions", k.DeadLetters(), len(dead.Partitions)))
	}
	return err
}
