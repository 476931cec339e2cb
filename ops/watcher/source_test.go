package watcher

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/canary"
	"penstock/pipeline"
	"penstock/pipeline/intent"
)

// TestSource looks at a group in Kafka's own words: what is read to know how old the lag
// is, what the commit's metadata says, and what Kafka has deleted.
func TestSource(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(3, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx := t.Context()
	cfg := pipeline.Default().Kafka
	cfg.Brokers, cfg.Topic = cluster.ListenAddrs(), "t"
	s, err := openSource(cfg, canary.Default())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	look := func() Group {
		t.Helper()
		g, err := s.look(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	if g := look(); len(g.Partitions) != 3 || g.Members != 0 || g.Partitions[2].Lag != 0 {
		t.Errorf("a topic without records and a group that never was: %+v", g)
	}

	// A record a minute, the last a minute ago.
	now := time.Now()
	var records []*kgo.Record
	for p := range int32(3) {
		for i := range 10 {
			records = append(records, &kgo.Record{Topic: "t", Partition: p, Value: fmt.Appendf(nil, "%d", i), Timestamp: now.Add(time.Duration(i-10) * time.Minute)})
		}
	}
	// The watcher's own client gives up what is as old as these.
	producer, err := s.newClient(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, r := range records { // a batch each, so that the first of one is not the oldest kept
		if err := producer.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	commit(ctx, t, s.admin, map[int32]intent.State{
		0: {Offset: 4, Pending: []intent.Intent{{Batch: "b", Shard: "1", First: 4, Next: 6, At: now.Add(-30 * time.Second).Unix()}}},
		1: {Offset: 10},
		2: {Offset: 2},
	}, nil)
	s.ledger = ledger{} // as a watcher that begins now
	roughly := func(what string, got maybe[time.Duration], want time.Duration) {
		t.Helper()
		if d := got.value - want; !got.known || d < 0 || d > 30*time.Second {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	g := look()
	roughly("p0 behind", g.Partitions[0].Behind, 6*time.Minute)
	roughly("p1 behind", g.Partitions[1].Behind, 0)
	roughly("p2 behind", g.Partitions[2].Behind, 8*time.Minute)
	if p := g.Partitions[0]; p.Lag != 6 || p.Pending != 1 || p.OldestIntent < 30*time.Second || p.OldestIntent > time.Minute {
		t.Errorf("%+v", p)
	}

	// Kafka deletes the first three records of each.
	var gone kadm.Offsets
	for p := range int32(3) {
		gone.Add(kadm.Offset{Topic: "t", Partition: p, At: 3})
	}
	if _, err := s.admin.DeleteRecords(ctx, gone); err != nil {
		t.Fatal(err)
	}
	g = look()
	roughly("p0 is kept for", g.Partitions[0].Retention, time.Minute)
	roughly("p1 is kept for", g.Partitions[1].Retention, 7*time.Minute)
	roughly("p2 is behind what is left", g.Partitions[2].Behind, 7*time.Minute)
	if p := g.Partitions[2]; p.Gone != 1 || p.Lag != 8 || p.Retention != is(time.Duration(0)) {
		t.Errorf("%+v", p)
	}

	// Metadata of another program: its offset counts.
	commit(ctx, t, s.admin, map[int32]intent.State{1: {Offset: 5}}, []byte("who knows"))
	if p := look().Partitions[1]; p.Lag != 5 || p.Note == "" {
		t.Errorf("%+v", p)
	}

	none := cfg
	none.Topic = "none"
	elsewhere, err := openSource(none, canary.Default())
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.close()
	if _, err := elsewhere.look(ctx); err == nil {
		t.Error("a topic that is not there can be looked at")
	}
}

// commit commits states, with metadata instead of theirs if there is any.
func commit(ctx context.Context, t *testing.T, admin *kadm.Client, states map[int32]intent.State, metadata []byte) {
	t.Helper()
	var all kadm.Offsets
	for p, s := range states {
		text := s.Metadata()
		if metadata != nil {
			text = string(metadata)
		}
		all.Add(kadm.Offset{Topic: "t", Partition: p, At: s.Offset, LeaderEpoch: -1, Metadata: text})
	}
	if err := admin.CommitAllOffsets(ctx, pipeline.Default().Kafka.Group, all); err != nil {
		t.Fatal(err)
	}
}
