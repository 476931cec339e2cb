package pipeline

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/transport"
	"penstock/transport/brokers"
	"penstock/transport/native"
)

func (f fate) String() string { return [...]string{"retry", "refuse", "stop"}[f] }

// expectFate checks a verdict; a stop has to say remedy.
func expectFate(t *testing.T, err error, got fate, said error, want fate, remedy string) {
	t.Helper()
	if got != want {
		t.Errorf("%v: %v; want %v", err, got, want)
	}
	if !errors.Is(said, err) && !errors.Is(said, errors.Unwrap(err)) {
		t.Errorf("%v: the verdict %v hides it", err, said)
	}
	if (want == stop || want == park) && (remedy == "" || !strings.Contains(said.Error(), remedy)) {
		t.Errorf("%v: %v does not say %q", err, said, remedy)
	}
}

func TestFateOfAnInsert(t *testing.T) {
	f := func(err error, want fate, remedy string) {
		t.Helper()
		got, said := fateOf(err)
		expectFate(t, err, got, said, want, remedy)
	}
	server := func(code proto.Error) error {
		return fmt.Errorf("insert 3 rows: %w", &ch.Exception{Code: code, Name: code.String()})
	}
	// The network.
	f(io.EOF, retry, "")
	f(context.DeadlineExceeded, retry, "")
	f(errors.New("connection refused"), retry, "")
	// The server, under pressure or for a while.
	for _, code := range []proto.Error{proto.ErrTooManyParts, proto.ErrMemoryLimitExceeded, proto.ErrTableIsReadOnly,
		proto.ErrTooManySimultaneousQueries, proto.ErrTimeoutExceeded, proto.ErrNoZookeeper, proto.ErrNetworkError, proto.Error(31337)} {
		f(server(code), retry, "")
	}
	asked := func(code proto.Error) error { // of the receipts, by the other client
		return fmt.Errorf("stored offsets: %w", &clickhouse.Exception{Code: int32(code), Name: code.String()})
	}
	f(asked(proto.ErrTableIsReadOnly), retry, "")
	for code := range refusals {
		f(server(code), refuse, "")
		f(asked(code), retry, "") // a question has no rows
	}
	for code, remedy := range remedies {
		f(server(code), stop, remedy)
		f(asked(code), stop, remedy)
		if refusals[code] {
			t.Errorf("%v has two fates", code)
		}
	}
	f(fmt.Errorf("insert: %w: EOF", errDoubt), stop, "doubt")
	f(fmt.Errorf("p3 from 7: %w: %w", errRecordGone, kerr.OffsetOutOfRange), stop, "retention")
}

// A server that no longer lets the node in is waited for if what it refuses may be
// another the next time, and ends the node if not.
func TestFateOfARefusal(t *testing.T) {
	f := func(password transport.Secret, err error, want fate, remedy string) {
		t.Helper()
		login := native.Login{User: "node", Password: password}
		got, said := fateOf(fmt.Errorf("insert 3 rows: %w", login.Explain(err)))
		expectFate(t, err, got, said, want, remedy)
		cfg := Kafka{Group: "g", Security: brokers.Security{SASL: brokers.SASL{Mechanism: brokers.Plain, User: "node", Password: password}}}
		if want == stop {
			err = kerr.SaslAuthenticationFailed
			remedy = "correct kafka.sasl.user"
		}
		got, said = fateOfPoll(kgo.FetchError{Err: &kgo.ErrGroupSession{Err: err}}, cfg)
		expectFate(t, err, got, said, want, remedy)
	}
	given, inFile := transport.NewSecret("p"), transport.SecretFile("p")
	for _, code := range []proto.Error{proto.ErrAuthenticationFailed, proto.ErrUnknownUser, proto.ErrWrongPassword, proto.ErrRequiredPassword} {
		f(given, &ch.Exception{Code: code}, stop, "clickhouse.")
		f(given, &clickhouse.Exception{Code: int32(code)}, stop, "clickhouse.")
		f(inFile, &ch.Exception{Code: code}, retry, "")
	}
	f(inFile, kerr.SaslAuthenticationFailed, retry, "")
	f(given, x509.UnknownAuthorityError{}, retry, "")
	f(given, x509.CertificateInvalidError{Reason: x509.Expired}, retry, "")
}

func TestFateOfADeadLetter(t *testing.T) {
	f := func(err error, want fate, remedy string) {
		t.Helper()
		got, said := fateOfProduce(err, "t.dead")
		expectFate(t, err, got, said, want, remedy)
	}
	f(kerr.MessageTooLarge, refuse, "")
	f(kerr.RecordListTooLarge, refuse, "")
	f(kerr.NotLeaderForPartition, retry, "")
	f(kerr.NotEnoughReplicas, retry, "")
	f(kgo.ErrRecordTimeout, retry, "")
	f(io.EOF, retry, "")
	f(kerr.UnknownTopicOrPartition, stop, "t.dead: ")
	f(kerr.UnknownTopicOrPartition, stop, "ingest migrate")
	f(kerr.TopicAuthorizationFailed, stop, "allow the node to write")
	f(kerr.ClusterAuthorizationFailed, stop, "allow the node to write")
	f(kerr.InvalidTopicException, stop, "kafka.dead_letter_topic")
	f(kerr.InvalidRecord, stop, "cleanup.policy")
}

func TestFateOfAPoll(t *testing.T) {
	f := func(err error, want fate, remedy string) {
		t.Helper()
		got, said := fateOfPoll(kgo.FetchError{Topic: "t", Partition: 3, Err: err}, Kafka{Group: "g"})
		expectFate(t, err, got, said, want, remedy)
	}
	f(kerr.OffsetOutOfRange, stop, "kafka-consumer-groups --group g --topic t:3 --reset-offsets")
	f(&kgo.ErrDataLoss{ConsumedTo: 90, ResetTo: 70}, stop, "kafka-consumer-groups --group g --topic t:3 --reset-offsets --to-offset 70")
	f(&kgo.ErrDecompressTooLarge{Topic: "t", Partition: 3, Offset: 41, NextOffset: 60}, park, "the batch of offsets 41 to 59 takes more memory than kafka.max_batch_bytes")
	f(&kgo.ErrDecompressTooLarge{Topic: "t", Partition: 3, Offset: 41, NextOffset: 60}, park, "kafka-consumer-groups --group g --topic t:3 --reset-offsets --to-offset 60")
	f(kerr.TopicAuthorizationFailed, stop, "allow the node to read topic t in group g")
	f(kerr.GroupAuthorizationFailed, stop, "in group g")
	f(kerr.SaslAuthenticationFailed, stop, "correct kafka.sasl.user and kafka.sasl.password")
	f(&kgo.ErrGroupSession{Err: kerr.InvalidSessionTimeout}, stop, "kafka.session_timeout")
	f(&kgo.ErrGroupSession{Err: kerr.InconsistentGroupProtocol}, stop, "a kafka.group of its own")
	f(kerr.UnknownTopicID, stop, "created again")
	f(&kgo.ErrGroupSession{Err: kerr.UnknownMemberID}, retry, "")
	f(kerr.CorruptMessage, retry, "")
	f(io.EOF, retry, "")
	_, said := fateOfPoll(kgo.FetchError{Err: io.EOF}, Kafka{Group: "g"})
	if said.Error() != "read: EOF" {
		t.Errorf("an error of no partition reads %q", said)
	}
}

func TestFateOfACommit(t *testing.T) {
	f := func(err error, want fate, remedy string) {
		t.Helper()
		got, said := fateOfCommit(fmt.Errorf("commit: %w", err))
		expectFate(t, err, got, said, want, remedy)
	}
	// It may be so for a moment; a member that is really out loses its
	// ownership, and that is what ends the repetition.
	for _, err := range []error{kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.NotCoordinator,
		kerr.CoordinatorNotAvailable, kerr.UnknownTopicOrPartition, io.EOF, context.DeadlineExceeded} {
		f(err, retry, "")
	}
	f(errDoubt, stop, "in doubt")
	f(kerr.OffsetMetadataTooLarge, stop, "offset.metadata.max.bytes")
	f(kerr.GroupAuthorizationFailed, stop, "allow the node")
	f(kerr.TopicAuthorizationFailed, stop, "allow the node")
}

func TestTheEchoOfTheEndIsNoError(t *testing.T) {
	live := t.Context()
	over, cancel := context.WithCancelCause(live)
	cause := errors.New("stopped")
	cancel(cause)
	f := func(ctx context.Context, err error, want bool) {
		t.Helper()
		if got := ended(ctx, err); got != want {
			t.Errorf("%v: %v; want %v", err, got, want)
		}
	}
	f(over, fmt.Errorf("insert: %w", context.Canceled), true)
	f(over, fmt.Errorf("insert: %w", cause), true)
	f(over, io.EOF, false)
	f(live, context.Canceled, false)
}
