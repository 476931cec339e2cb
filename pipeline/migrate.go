package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
// do not exist, adds the columns of fields that the schema file has since, and
// then checks them as [Check] does. It changes nothing else that exists. Every
// step that is done is given to report.
func Migrate(ctx context.Context, cfg Config, s *schema.Schema, report func(step string)) error {
	var errs []error
	for _, shard := range cfg.ClickHouse.AllShards() {
		errs = append(errs, createTables(ctx, cfg, shard, s, report))
	}
	if err := errors.Join(append(errs, createDeadLetterTopic(ctx, cfg.Kafka, report))...); err != nil {
		return err
	}
	if err := beginVersions(ctx, cfg.ClickHouse, s, report); err != nil {
		return err
	}
	return checkServices(ctx, cfg, s, report)
}

// beginVersions writes the schema file down as a version, if it is a new one.
func beginVersions(ctx context.Context, c ClickHouse, s *schema.Schema, report func(string)) (err error) {
	r, err := c.Schemas(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.Begin(ctx, report)
}

// Options is how the shard is reached by everything but inserts.
func (c ClickHouse) Options(shard Shard, database string) *clickhouse.Options {
	return c.Login.Options(shard.Addr, database)
}

func (c ClickHouse) connect(ctx context.Context, shard Shard, database string) (driver.Conn, error) {
	conn, err := clickhouse.Open(c.Options(shard, database))
	if err != nil {
		return nil, fmt.Errorf("clickhouse.addr %s: %w", shard.Addr, err)
	}
	if err := conn.Ping(ctx); err != nil {
		err = errors.Join(err, conn.Close())
		var ex *clickhouse.Exception
		if _, refused := fateOfRefusal(err); refused {
			return nil, fmt.Errorf("clickhouse.addr %s as user %s: %w", shard.Addr, c.User, err)
		}
		if errors.As(err, &ex) {
			_, err = fateOfCode(ex.Code, err)
			return nil, fmt.Errorf("clickhouse.addr %s as user %s: %w", shard.Addr, c.User, err)
		}
		return nil, &Unreachable{fmt.Errorf("clickhouse.addr %s does not answer: %w; is the server up, and is this its native port (9000, or 9440 with clickhouse.tls.enabled), not HTTP (8123)?", shard.Addr, err)}
	}
	return conn, nil
}

func createTables(ctx context.Context, cfg Config, shard Shard, s *schema.Schema, report func(string)) (err error) {
	// The database may be one of the things to create.
	conn, err := cfg.ClickHouse.connect(ctx, shard, "default")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	there, err := pairs(ctx, conn, "SELECT name, name FROM system.tables WHERE database = ?", cfg.ClickHouse.Database)
	if err != nil {
		return fmt.Errorf("read the tables of %s: %w", cfg.ClickHouse.Database, err)
	}
	tables := cfg.ClickHouse.Tables()
	wanted, known := s.DDL(tables), there[s.Name] != ""
	if known {
		wanted = s.EventDDL(tables)
	}
	if there[s.Name+"_all"] != "" {
		// ClickHouse looks for the view's columns although it exists, and those of a
		// newer version are not there yet; the version brings view and columns.
		wanted = slices.DeleteFunc(wanted, func(statement string) bool {
			return strings.HasPrefix(statement, "CREATE VIEW IF NOT EXISTS "+s.All(tables))
		})
	}
	statements := append([]string{tables.CreateDatabase()}, wanted...)
	for _, statement := range statements {
		head, _, _ := strings.Cut(statement, "\n")
		if err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", head, err)
		}
		report(strings.TrimSuffix(head, " AS"))
	}
	if !known {
		return nil
	}
	return addRollups(ctx, cfg, conn, s, report)
}

// metadataAge is how long an answer about topics may be used again. With the
// client's own 5 s the wait for a topic just created would last as long.
const metadataAge = 20 * time.Millisecond

func (k Kafka) admin() (*kadm.Client, error) {
	client, err := kgo.NewClient(k.Options("penstock-ingest", kgo.MetadataMinAge(metadataAge))...)
	if err != nil {
		return nil, fmt.Errorf("kafka.brokers %v: %w", k.Brokers, err)
	}
	return kadm.NewClient(client), nil
}

// topics returns the details of the topic and the dead-letter topic.
func (k Kafka) topics(ctx context.Context, admin *kadm.Client) (topic, dead kadm.TopicDetail, err error) {
	details, err := admin.ListTopics(ctx, k.Topic, k.DeadLetters())
	if err := k.Explain(err); err != nil {
		if _, refused := fateOfRefusal(err); refused {
			return topic, dead, fmt.Errorf("kafka.brokers %v: %w", k.Brokers, err)
		}
		return topic, dead, &Unreachable{fmt.Errorf("kafka.brokers %v do not answer: %w; are they up, and is the address theirs?", k.Brokers, err)}
	}
	return details[k.Topic], details[k.DeadLetters()], nil
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
	}, k.DeadLetters())
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create dead-letter topic %s: %w", k.DeadLetters(), err)
	}
	if err := k.awaitDeadLetterTopic(ctx, admin); err != nil {
		return err
	}
	report("created dead-letter topic " + k.DeadLetters())
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
			return fmt.Errorf("dead-letter topic %s was created and is not known to the brokers: %w: %w", k.DeadLetters(), dead.Err, context.Cause(ctx))
		case <-again.C:
		}
	}
}
