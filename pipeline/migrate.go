package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// Migrate creates the tables, the views and the dead-letter topic where they
// do not exist, and then checks them as [Check] does. It changes nothing that
// exists. Every step that is done is given to report.
func Migrate(ctx context.Context, cfg Config, s *schema.Schema, report func(step string)) error {
	if err := errors.Join(createTables(ctx, cfg.ClickHouse, s, report), createDeadLetterTopic(ctx, cfg.Kafka, report)); err != nil {
		return err
	}
	return Check(ctx, cfg, s, report)
}

// Check reaches everything a node depends on and reports every fault: the
// topics in Kafka, and in ClickHouse the tables with the schema's columns.
func Check(ctx context.Context, cfg Config, s *schema.Schema, report func(step string)) error {
	return errors.Join(checkKafka(ctx, cfg.Kafka, report), checkTables(ctx, cfg.ClickHouse, s, report))
}

func (c ClickHouse) connect(ctx context.Context, database string) (driver.Conn, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{c.Addr},
		Auth:        clickhouse.Auth{Database: database, Username: c.User, Password: c.Password},
		DialTimeout: c.DialTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("clickhouse.addr %s: %w", c.Addr, err)
	}
	if err := conn.Ping(ctx); err != nil {
		err = errors.Join(err, conn.Close())
		var ex *clickhouse.Exception
		if errors.As(err, &ex) {
			_, err = fateOfCode(ex.Code, err)
			return nil, fmt.Errorf("clickhouse.addr %s as user %s: %w", c.Addr, c.User, err)
		}
		return nil, fmt.Errorf("clickhouse.addr %s does not answer: %w; is the server up, and is this its native port (9000), not HTTP (8123)?", c.Addr, err)
	}
	return conn, nil
}

func createTables(ctx context.Context, cfg ClickHouse, s *schema.Schema, report func(string)) (err error) {
	// The database may be one of the things to create.
	conn, err := cfg.connect(ctx, "default")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	statements := append([]string{cfg.Tables().CreateDatabase()}, s.DDL(cfg.Tables())...)
	for _, statement := range statements {
		head, _, _ := strings.Cut(statement, "\n")
		if err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", head, err)
		}
		report(strings.TrimSuffix(head, " AS"))
	}
	return nil
}

func checkTables(ctx context.Context, cfg ClickHouse, s *schema.Schema, report func(string)) (err error) {
	conn, err := cfg.connect(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var faults []error
	for _, table := range []string{s.Name, s.Name + "_sealed"} {
		types, err := columnTypes(ctx, conn, cfg.Database, table)
		if err != nil {
			return fmt.Errorf("read the columns of %s.%s: %w", cfg.Database, table, err)
		}
		faults = append(faults, compare(s, cfg.Database+"."+table, types))
		report(fmt.Sprintf("table %s.%s: %d columns", cfg.Database, table, len(types)))
	}
	return errors.Join(faults...)
}

// columnTypes returns the type of each of the table's columns; none if there is
// no such table.
func columnTypes(ctx context.Context, conn driver.Conn, database, table string) (types map[string]string, err error) {
	rows, err := conn.Query(ctx, "SELECT name, type FROM system.columns WHERE database = ? AND table = ?", database, table)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	types = map[string]string{}
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return nil, err
		}
		types[name] = typ
	}
	return types, rows.Err()
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

func (k Kafka) admin() (*kadm.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers...), kgo.ClientID("penstock-ingest"))
	if err != nil {
		return nil, fmt.Errorf("kafka.brokers %v: %w", k.Brokers, err)
	}
	return kadm.NewClient(client), nil
}

// topics returns the details of the topic and the dead-letter topic.
func (k Kafka) topics(ctx context.Context, admin *kadm.Client) (topic, dead kadm.TopicDetail, err error) {
	details, err := admin.ListTopics(ctx, k.Topic, k.deadLetterTopic())
	if err != nil {
		return topic, dead, fmt.Errorf("kafka.brokers %v do not answer: %w; are they up, and is the address theirs?", k.Brokers, err)
	}
	return details[k.Topic], details[k.deadLetterTopic()], nil
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

// createDeadLetterTopic creates it with the topic's own number of partitions,
// room for large records, and a month's retention: long enough to mend what
// was wrong and replay.
func createDeadLetterTopic(ctx context.Context, k Kafka, report func(string)) error {
	admin, err := k.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	topic, dead, err := k.topics(ctx, admin)
	if err != nil || topic.Err != nil || dead.Err == nil {
		return err // a missing topic is Check's to report, and nothing is to be done for a dead-letter topic that exists
	}
	maxBytes, retention := strconv.Itoa(deadLetterMaxBytes), strconv.Itoa(30*24*60*60*1000)
	_, err = admin.CreateTopic(ctx, int32(len(topic.Partitions)), int16(topic.Partitions.NumReplicas()), map[string]*string{
		"max.message.bytes": &maxBytes, "retention.ms": &retention,
	}, k.deadLetterTopic())
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create dead-letter topic %s: %w", k.deadLetterTopic(), err)
	}
	if err := k.awaitDeadLetterTopic(ctx, admin); err != nil {
		return err
	}
	report("created dead-letter topic " + k.deadLetterTopic())
	return nil
}

// awaitDeadLetterTopic waits until the brokers know the topic: its creation is
// acknowledged by the controller, and a broker may learn of it later.
func (k Kafka) awaitDeadLetterTopic(ctx context.Context, admin *kadm.Client) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, dead, err := k.topics(ctx, admin)
		if err != nil || dead.Err == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("dead-letter topic %s was created and is not known to the brokers: %w: %w", k.deadLetterTopic(), dead.Err, context.Cause(ctx))
		case <-again.C:
		}
	}
}
