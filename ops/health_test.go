package ops

import (
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/pipeline"
)

// TestProblems is the decision alone.
func TestProblems(t *testing.T) {
	const limit = 30 * time.Second
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	owned := map[int32]bool{1: true}
	f := func(name string, s state, want ...string) {
		t.Helper()
		got := s.problems(now, limit)
		if len(got) != len(want) {
			t.Fatalf("%s: got %q, want %q", name, got, want)
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
	fails := func(w work, since, last time.Duration) map[work]failure {
		return map[work]failure{w: {since: now.Add(-since), last: now.Add(-last), err: errDown}}
	}
	f("all is well", state{owned: owned})
	f("nothing assigned", state{}, "no partition is assigned")
	f("just begun to fail", state{owned: owned, failing: fails(inserting, 20*time.Second, time.Second)})
	f("at the limit", state{owned: owned, failing: fails(inserting, limit, time.Second)})
	f("failing", state{owned: owned, failing: fails(inserting, 31*time.Second, time.Second)}, "insert has been failing for 31s: dial tcp")
	// An attempt may take longer than the limit; it is still the same insert.
	f("an insert without news", state{owned: owned, failing: fails(inserting, 90*time.Second, 60*time.Second)}, "insert has been failing for 1m30s")
	f("dead letters without news", state{owned: owned, failing: fails(deadLettering, 90*time.Second, 60*time.Second)}, "dead-letter has been failing")
	f("commits failing", state{owned: owned, failing: fails(committing, 90*time.Second, time.Second)}, "commit has been failing")
	// Nothing is sent, or the partition is another node's: nobody will commit.
	f("commits without news", state{owned: owned, failing: fails(committing, 90*time.Second, 60*time.Second)})
	f("reads without news", state{owned: owned, failing: fails(reading, 90*time.Second, 60*time.Second)})
	f("everything", state{failing: map[work]failure{
		inserting: {since: now.Add(-time.Minute), last: now, err: errDown},
		reading:   {since: now.Add(-time.Minute), last: now, err: errDown},
	}}, "no partition", "insert", "read")
}

// TestHealth: what leads to the state.
func TestHealth(t *testing.T) {
	h := NewHealth(Default())
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	h.now = func() time.Time { return now }
	e := h.PipelineEvents()
	step := func(what string, want ...string) {
		t.Helper()
		got := h.Problems()
		if !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	// failFor fails every five seconds.
	failFor := func(d time.Duration, fail func()) {
		for end := now.Add(d); now.Before(end); now = now.Add(5 * time.Second) {
			fail()
		}
	}
	retrying := func(what string) func() {
		return func() { e.Retrying(pipeline.Retrying{What: what, Err: errDown}) }
	}
	step("a new node", "no partition")
	e.Assigned([]int32{1, 2})
	step("assigned", "partitions [1 2] are being settled")
	e.Settled(pipeline.Settled{Partition: 2})
	step("one of them is settled", "partitions [1] are being settled")
	failFor(time.Minute, retrying("settle"))
	step("what an earlier owner left cannot be settled", "partitions [1] are", "settle has been failing for 1m0s")
	e.Settled(pipeline.Settled{Partition: 1})
	step("settled")
	failFor(time.Minute, retrying("insert"))
	step("inserts fail", "insert has been failing for 1m0s")
	e.Committed(pipeline.Committed{})
	step("a commit says nothing of inserts", "insert")
	e.Inserted(pipeline.Inserted{})
	step("an insert succeeds")
	failFor(time.Minute, retrying("dead-letter"))
	step("dead letters fail", "dead-letter")
	e.Committed(pipeline.Committed{})
	step("what follows them is committed")
	failFor(time.Minute, retrying("commit"))
	step("commits fail", "commit")
	now = now.Add(time.Minute)
	step("and are no longer tried")
	failFor(20*time.Second, retrying("commit"))
	step("a new row of failures begins anew")
	e.Committed(pipeline.Committed{})
	failFor(time.Minute, func() { e.PollFailed(errDown) })
	step("reads fail", "read")
	e.Polled(pipeline.Polled{})
	step("reads succeed")
	e.Revoked([]int32{1})
	step("one partition is left")
	e.Lost([]int32{2})
	step("none is left", "no partition")
	failFor(time.Minute, retrying("check"))
	step("a service is waited for", "no partition", "check")
	e.Assigned([]int32{3, 4})
	step("and the node joins when it is there", "partitions [3 4] are being settled")
	e.Settled(pipeline.Settled{Partition: 3})
	failFor(time.Minute, retrying("settle"))
	e.Revoked([]int32{4})
	step("what was given up before it was settled is nothing to wait for")
	e.Doubted(errDown)
	step("a node in doubt has left its group", "no partition")
}
