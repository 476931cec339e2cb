package pipeline

import (
	"context"
	"errors"
	"fmt"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fate is what becomes of a batch whose insert failed.
type fate int

const (
	// retry: the same rows again, for as long as it takes. Also for every
	// error nobody has thought of: repeating loses nothing.
	retry fate = iota
	// refuse: the server judged the rows; the batch is bisected to the rows at
	// fault, and those are rejected.
	refuse
	// stop: no repetition helps; a person has to change something.
	stop
	// park: likewise, but for the sake of one partition: it is not read, and the
	// others are.
	park
)

// refusals are the server's errors about a row's values.
var refusals = map[proto.Error]bool{
	proto.ErrCannotParseText:                  true,
	proto.ErrCannotParseInputAssertionFailed:  true,
	proto.ErrIncorrectData:                    true,
	proto.ErrViolatedConstraint:               true,
	proto.ErrCannotInsertNullInOrdinaryColumn: true,
	proto.ErrTooLargeStringSize:               true,
	proto.ErrArgumentOutOfBound:               true,
	proto.ErrValueIsOutOfRangeOfDataType:      true,
	proto.ErrUnknownElementOfEnum:             true,
	proto.ErrDecimalOverflow:                  true,
}

// remedies are the server's errors that no repetition mends, and what does.
var remedies = map[proto.Error]string{
	proto.ErrDatabaseAccessDenied: "grant the user INSERT on the table",
	proto.ErrAccessDenied:         "grant the user INSERT on the table",
	proto.ErrUnknownDatabase:      "correct clickhouse.database or create it",
	proto.ErrUnknownTable:         "create the tables with `ingest migrate`",
	proto.ErrNoSuchColumnInTable:  "bring the tables up to the schema; `ingest check` names each column and the statement for it",
	proto.ErrUnknownIdentifier:    "bring the tables up to the schema; `ingest check` names each column and the statement for it",
	proto.ErrThereIsNoColumn:      "bring the tables up to the schema; `ingest check` names each column and the statement for it",
	proto.ErrTypeMismatch:         "the table's columns have other types than the schema; see `ingest check`",
	proto.ErrCannotConvertType:    "the table's columns have other types than the schema; see `ingest check`",
	proto.ErrUnknownSetting:       "the server is older than this program supports; use ClickHouse 25.10 or later",
	proto.ErrSyntaxError:          "the server is older than this program supports; use ClickHouse 25.10 or later",
}

// fateOf chooses the fate of what failed on the way to storing rows: an insert,
// a question to the receipts, a record that is read again. It is the one place
// that does. The error it returns is err, with the remedy where a person has to
// act.
func fateOf(err error) (fate, error) {
	var (
		inserting *ch.Exception
		asking    *clickhouse.Exception
	)
	switch f, refused := fateOfRefusal(err); {
	case refused:
		return f, err
	case errors.Is(err, errDoubt), errors.Is(err, errUnproven), errors.Is(err, errRecordGone), errors.Is(err, errOtherRecords):
		return stop, err
	case errors.As(err, &inserting):
		return fateOfCode(int32(inserting.Code), err)
	case errors.As(err, &asking):
		f, err := fateOfCode(asking.Code, err)
		if f == refuse {
			f = retry // a question has no rows to refuse
		}
		return f, err
	}
	return retry, err // everything about reaching a server
}

// fateOfCode is fateOf for a server's error code.
func fateOfCode(code int32, err error) (fate, error) {
	if remedy, ok := remedies[proto.Error(code)]; ok {
		return stop, fmt.Errorf("%w; %s", err, remedy)
	}
	if refusals[proto.Error(code)] {
		return refuse, err
	}
	return retry, err
}

// fateOfProduce is fateOf for the dead-letter topic. refuse means that the
// broker finds the record too large.
func fateOfProduce(err error, topic string) (fate, error) {
	switch {
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return refuse, err
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return stop, fmt.Errorf("dead-letter topic %s: %w; create it with `ingest migrate`", topic, err)
	case errors.Is(err, kerr.InvalidTopicException):
		return stop, fmt.Errorf("dead-letter topic %s: %w; correct kafka.dead_letter_topic", topic, err)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return stop, fmt.Errorf("dead-letter topic %s: %w; allow the node to write to it", topic, err)
	case errors.Is(err, kerr.InvalidRecord):
		return stop, fmt.Errorf("dead-letter topic %s: %w; a topic that is compacted takes no record without a key: set its cleanup.policy to delete", topic, err)
	}
	return retry, err
}

// fateOfCommit is fateOf for an offset commit. That Kafka refuses the member or
// its generation is repeated: while a group divides its partitions that is so for
// a moment, and if the member is really out, its heartbeat finds out and ends the
// ownership, which makes the commit errDoubt.
func fateOfCommit(err error) (fate, error) {
	switch {
	case errors.Is(err, errDoubt):
		return stop, err
	case errors.Is(err, kerr.OffsetMetadataTooLarge):
		return stop, fmt.Errorf("%w; the brokers' offset.metadata.max.bytes has to be at least its default, 4096", err)
	case errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.TopicAuthorizationFailed):
		return stop, fmt.Errorf("%w; allow the node to read the topic and commit for the group", err)
	}
	return retry, err
}

// fateOfPoll is fateOf for a fetch: retry is what the client does by itself.
func fateOfPoll(e kgo.FetchError, cfg Kafka) (fate, error) {
	var (
		bomb *kgo.ErrDecompressTooLarge
		cut  *kgo.ErrDataLoss
	)
	group := cfg.Group
	e.Err = cfg.Explain(e.Err)
	err := fmt.Errorf("read %s p%d: %w", e.Topic, e.Partition, e.Err)
	if e.Topic == "" { // not about one partition
		err = fmt.Errorf("read: %w", e.Err)
	}
	switch f, refused := fateOfRefusal(e.Err); {
	case refused:
		return f, err
	case errors.Is(e.Err, kerr.OffsetOutOfRange):
		return stop, fmt.Errorf("%w: Kafka no longer has the records that follow the committed offset, so some were never stored; "+
			"decide where to go on, and set it by hand: kafka-consumer-groups --group %s --topic %s:%d --reset-offsets --to-earliest --execute",
			err, group, e.Topic, e.Partition)
	case errors.As(e.Err, &cut):
		return stop, fmt.Errorf("%w: Kafka lost the end of its log and writes other records at the same offsets, so what is stored and what is read no longer agree; "+
			"decide where to go on, and set it by hand: kafka-consumer-groups --group %s --topic %s:%d --reset-offsets --to-offset %d --execute",
			err, group, e.Topic, e.Partition, cut.ResetTo)
	case errors.As(e.Err, &bomb):
		return park, fmt.Errorf("read %s p%d: %w: the batch of offsets %d to %d takes more memory than kafka.max_batch_bytes once it is unpacked, and its partition is parked: "+
			"nothing of it is lost while Kafka keeps it, and nothing behind it is read; raise kafka.max_batch_bytes (and memory, of which it is at most the share that fetches have) and start the nodes again; "+
			"or stop all nodes and give the batch up by hand: kafka-consumer-groups --group %s --topic %s:%d --reset-offsets --to-offset %d --execute",
			e.Topic, e.Partition, kgo.ErrMaxDecompress, bomb.Offset, bomb.NextOffset-1, group, e.Topic, e.Partition, bomb.NextOffset)
	case errors.Is(e.Err, kerr.TopicAuthorizationFailed), errors.Is(e.Err, kerr.GroupAuthorizationFailed),
		errors.Is(e.Err, kerr.ClusterAuthorizationFailed):
		return stop, fmt.Errorf("%w; allow the node to read topic %s in group %s", err, e.Topic, group)
	case errors.Is(e.Err, kerr.UnknownTopicID):
		return stop, fmt.Errorf("%w: the topic was deleted and created again, so the offsets of group %s, and those that are stored, are another topic's; "+
			"give the new topic a name and tables of its own, or empty the tables, before the node starts again", err, group)
	case errors.Is(e.Err, kerr.InvalidSessionTimeout):
		return stop, fmt.Errorf("%w; set kafka.session_timeout within the brokers' group.min.session.timeout.ms (6s by default) and group.max.session.timeout.ms", err)
	case errors.Is(e.Err, kerr.InconsistentGroupProtocol):
		return stop, fmt.Errorf("%w; other consumers share group %s and divide partitions in another way: give the node a kafka.group of its own", err, group)
	case errors.Is(e.Err, kgo.ErrClientClosed):
		return stop, err
	}
	return retry, err
}

// ended reports whether err is only the echo of ctx having ended.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
