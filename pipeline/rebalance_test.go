package pipeline

import (
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/schema"
)

var errUnknownTable = &ch.Exception{Code: proto.ErrUnknownTable, Name: "UNKNOWN_TABLE"}

// away is the fault of a ClickHouse that does not answer.
func away([]schema.Origin) error { return errors.New("connection refused") }

// The revocation outlasts the session: the node goes on saying that it lives,
// nobody is thrown out, and what it could not store the next owner does.
func TestARebalanceWhileClickHouseIsAway(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.SessionTimeout, r.cfg.StopTimeout = time.Second, 1500*time.Millisecond
	r.table.setFault(away)
	var lost atomic.Int32
	sealed := make(chan Sealed, 1000)
	gaveUp := make(chan error, 1000)
	events := Events{
		Lost:    func([]int32) { lost.Add(1) },
		Sealed:  func(s Sealed) { sealed <- s },
		Doubted: func(err error) { gaveUp <- err },
	}
	stopFirst := r.start(events)
	r.sendEvents(50)
	<-sealed
	assigned := make(chan []int32, 10)
	events.Assigned = func(ps []int32) { assigned <- ps }
	r.start(events) // takes half of them, and then again when the first one stops
	if err := <-gaveUp; !strings.Contains(err.Error(), "not stored in time") {
		t.Errorf("the first gave up with %v", err)
	}
	<-assigned
	r.sendEvents(50)

	// A stop while ClickHouse is still away: the rest changes hands too. What it
	// says depends on whether it holds anything by then.
	began := time.Now()
	if err := stopFirst(); err != nil && !strings.Contains(err.Error(), "the next owner settles them") {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*r.cfg.StopTimeout {
		t.Errorf("it took %v to stop", took)
	}
	r.table.setFault(nil)
	r.awaitStored(100 * rigPartitions)
	r.await("commit of all", func() bool {
		c := r.committed()
		return c[0] == 100 && c[1] == 100 && c[2] == 100 && c[3] == 100
	})
	if stored, doubled := r.table.counts(); stored != 100*rigPartitions || doubled != 0 {
		t.Errorf("stored %d, doubled %d", stored, doubled)
	}
	if lost.Load() != 0 {
		t.Errorf("partitions were lost %d times", lost.Load())
	}
}

// Were a stop to end with a commit that failed, the next owner would store it
// all once more.
func TestAStopCommitsWhatItStored(t *testing.T) {
	r := newRig(t)
	r.table.setFault(away)
	failed := make(chan Retrying, 1000)
	stop := r.start(Events{Retrying: func(e Retrying) { failed <- e }})
	r.send(0, event("dev", 1), event("dev", 2))
	for e := range failed { // declared, and not stored yet
		if e.What == "insert" {
			break
		}
	}
	refused := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "telemetry", Err: kerr.RebalanceInProgress, Count: 4})
	r.table.setFault(nil)
	for e := range failed {
		if e.What == "commit" {
			if !errors.Is(e.Err, kerr.RebalanceInProgress) {
				t.Errorf("the commit failed with %v", e.Err)
			}
			break
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if c := r.committed(); c[0] != 2 || refused.Hits() != 4 {
		t.Errorf("committed %v after %d refusals; want p0 at 2 after 4", c, refused.Hits())
	}
}

func TestPartitionsThatAreAddedAreReadFromTheirBeginning(t *testing.T) {
	r := newRig(t)
	r.start(Events{})
	r.sendEvents(10)
	r.awaitStored(10 * rigPartitions)
	admin := kadm.NewClient(r.client)
	if _, err := admin.UpdatePartitions(t.Context(), rigPartitions+3, "telemetry"); err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) { // before the node knows of them
		record := &kgo.Record{Topic: "telemetry", Partition: rigPartitions + p, Value: []byte(event("new", int(p)))}
		r.await("partition to send to", func() bool {
			r.client.ForceMetadataRefresh()
			return r.client.ProduceSync(t.Context(), record).FirstErr() == nil
		})
	}
	// What makes the node look before half a minute is over.
	r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "telemetry", Err: kerr.NotLeaderForPartition, Count: 3})
	r.awaitStored(10*rigPartitions + 3)
}

func TestATopicThatIsDeletedStopsNothing(t *testing.T) {
	r := newRig(t)
	stop := r.start(Events{})
	r.sendEvents(10)
	r.awaitStored(10 * rigPartitions)
	r.table.setFault(away)
	r.sendEvents(10)
	if err := r.cluster.DeleteTopic("telemetry"); err != nil {
		t.Fatal(err)
	}
	r.table.setFault(nil)
	if err := stop(); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) && !strings.Contains(err.Error(), "stop_timeout") { // of what cannot be committed any more
		t.Error(err)
	}
}

func TestATopicThatIsCreatedAnewStopsTheNode(t *testing.T) {
	r := newRig(t)
	n := r.run(Events{})
	r.sendEvents(10)
	r.awaitStored(10 * rigPartitions)
	if err := errors.Join(r.cluster.DeleteTopic("telemetry"), r.cluster.CreateTopic("telemetry", rigPartitions, nil)); err != nil {
		t.Fatal(err)
	}
	r.expectEnd(n, "created again")
}

func TestASessionTimeoutKafkaRefusesStopsTheNode(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.SessionTimeout = time.Hour
	r.expectStop("kafka.session_timeout")
}

// A lane that ends in the middle of everything else takes the node with it, and
// leaves nobody waiting.
func TestALaneThatEndsOfAnErrorStopsTheNodeDuringARelease(t *testing.T) {
	r := newRig(t)
	r.cfg.StopTimeout = 20 * time.Second
	var once sync.Once
	stopping := make(chan struct{})
	r.table.setFault(func([]schema.Origin) error {
		select {
		case <-stopping:
			return errUnknownTable
		default:
			return io.EOF
		}
	})
	sealed := make(chan Sealed, 100)
	stop := r.start(Events{Sealed: func(s Sealed) {
		sealed <- s
		if s.Cause == SealedByStop {
			once.Do(func() { close(stopping) })
		}
	}})
	r.sendEvents(1)
	<-sealed
	time.AfterFunc(100*time.Millisecond, func() { once.Do(func() { close(stopping) }) })
	began := time.Now()
	if err := stop(); err == nil || !strings.Contains(err.Error(), "ingest migrate") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Leaving the group revokes, and a revocation waits as a stop does: both
// together have to keep the one deadline.
func TestAStopKeepsItsDeadline(t *testing.T) {
	r := newRig(t)
	r.cfg.StopTimeout = time.Second
	r.table.setFault(away)
	sealed := make(chan Sealed, 100)
	stop := r.start(Events{Sealed: func(s Sealed) { sealed <- s }})
	r.sendEvents(10)
	<-sealed
	began := time.Now()
	err := stop()
	if err == nil || !strings.Contains(err.Error(), "the next owner settles them: stop_timeout is 1s and over") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 1900*time.Millisecond {
		t.Errorf("it took %v; stop_timeout is %v", took, r.cfg.StopTimeout)
	}
	r.expectNothingConfirmed()
}

// So has a stop that Kafka is the reason for.
func TestAStopOfItsOwnKeepsItsDeadline(t *testing.T) {
	r := newRig(t)
	r.cfg.StopTimeout = time.Second
	r.table.setFault(away)
	sealed := make(chan Sealed, 100)
	n := r.run(Events{Sealed: func(s Sealed) { sealed <- s }})
	r.sendEvents(10)
	<-sealed
	r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "telemetry", Err: kerr.TopicAuthorizationFailed, Count: -1})
	r.expectEnd(n, "allow the node to read topic telemetry", "not stored in time")
}
