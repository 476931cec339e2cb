package pipeline

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/schema"
)

// mended is the product's schema for devices whose clocks are years ahead.
func mended() *schema.Schema {
	s := schema.Telemetry()
	s.Time.MaxAhead = 20 * 365 * 24 * time.Hour
	return s
}

// replay replays what the node rejected.
func (r *rig) replay(s *schema.Schema, change func(*ReplayRequest)) (Replayed, error) {
	r.t.Helper()
	req := ReplayRequest{Rate: 1e6}
	if change != nil {
		change(&req)
	}
	once := &replay{cfg: r.cfg, schema: s, req: req, events: Events{}.ensure(), sink: &link{tables: []*table{r.table}}, shards: []replayStore{r.table}}
	return once.run(r.t.Context())
}

// expectReplay replays, and holds what became of the letters.
func (r *rig) expectReplay(what string, change func(*ReplayRequest), want Replayed) {
	r.t.Helper()
	got, err := r.replay(mended(), change)
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	if want.Rejected == nil {
		want.Rejected = map[schema.Reason]int64{}
	}
	sum := got.Stored + got.Already + got.Duplicates + got.Gone + got.Open
	for _, n := range got.Rejected {
		sum += n
	}
	if sum != got.Letters {
		r.t.Errorf("%s: %d of %d letters are accounted for", what, sum, got.Letters)
	}
	want.Samples, want.Read = got.Samples, got.Read
	if !reflect.DeepEqual(got, want) {
		r.t.Errorf("%s: %+v\nwant %+v", what, got, want)
	}
}

// nodeUntil runs a node until it has committed so many records of each partition.
func (r *rig) nodeUntil(want map[int32]int64) {
	r.t.Helper()
	r.commitAs(0, 0, "") // so that there is a group to ask about
	stop := r.start(Events{})
	for p, n := range want {
		r.await(fmt.Sprintf("commit of p%d at %d", p, n), func() bool { return r.committed()[p] == n })
	}
	if err := stop(); err != nil {
		r.t.Fatal(err)
	}
}

// ahead is an event of a device whose clock is years ahead, on the n-th of some days.
func ahead(device string, seq, day int) string {
	return eventAt(device, seq, time.Date(2035, 1, 1+day, 12, 0, seq, 0, time.UTC))
}

// Letters whose cause is mended are stored under the coordinates of their records,
// once, and what cannot be stored yet stays a letter.
func TestReplay(t *testing.T) {
	r := newRig(t)
	r.send(0, event("dev", 1), ahead("dev", 2, 0), "{", ahead("dev", 3, 1), ahead("dev", 2, 0))
	r.send(1, ahead("other", 1, 0), `{"device_id":"other"}`)
	r.nodeUntil(map[int32]int64{0: 5, 1: 2})
	before := Replayed{Letters: 6, Stored: 3, Duplicates: 1, Rejected: map[schema.Reason]int64{schema.ReasonMalformed: 1, schema.ReasonMissing: 1}}
	r.expectReplay("dry", func(q *ReplayRequest) { q.DryRun = true }, before)
	expectRows(t, "after a dry run", r.table, 0, 0)

	r.expectReplay("of one device", func(q *ReplayRequest) { q.Filter.Device = "other" },
		Replayed{Letters: 2, Stored: 1, Rejected: map[schema.Reason]int64{schema.ReasonMissing: 1}})
	expectRows(t, "of one device", r.table, 1, 0)
	expectRows(t, "of one device", r.table, 0, 0)

	r.expectReplay("of all", nil, Replayed{Letters: 6, Stored: 2, Already: 1, Duplicates: 1, Rejected: before.Rejected})
	r.expectReplay("again", nil, Replayed{Letters: 6, Already: 3, Duplicates: 1, Rejected: before.Rejected})
	expectRows(t, "of all", r.table, 0, 0, 1, 3)
	expectRows(t, "of all", r.table, 1, 0)
	if n := len(r.deadLetters(6)); n != 6 {
		t.Errorf("%d letters after the replays, want the 6 there were", n)
	}
}

// A device that found out that its clock was wrong by nothing but the server's
// silence sends the event again, and it is stored then.
func TestAReplayDoesNotStoreWhatWasSentAgain(t *testing.T) {
	r := newRig(t)
	taken := time.Now().Add(-24 * time.Hour)
	r.sendAt(taken.Add(-30*24*time.Hour), 0, eventAt("dev", 1, taken)) // the broker's clock was wrong
	r.send(0, eventAt("dev", 1, taken))
	r.nodeUntil(map[int32]int64{0: 2})
	expectRows(t, "before", r.table, 0, 1)
	r.expectReplay("of what was sent again", nil, Replayed{Letters: 1, Duplicates: 1})
	expectRows(t, "after", r.table, 0, 1)
}

// A replay that is killed, or whose answers are lost, is repeated.
func TestAReplayMayBreakOff(t *testing.T) {
	f := func(name string, harm func(*table), fails bool) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for day := range 4 {
				r.send(0, ahead("dev", 2*day, day), ahead("dev", 2*day+1, day))
			}
			r.nodeUntil(map[int32]int64{0: 8})
			harm(r.table)
			if _, err := r.replay(mended(), nil); (err != nil) != fails {
				t.Errorf("the first one ended with %v", err)
			}
			r.table.setBefore(nil)
			if _, err := r.replay(mended(), nil); err != nil {
				t.Error(err)
			}
			expectRows(t, "after the second", r.table, 0, 0, 1, 2, 3, 4, 5, 6, 7)
		})
	}
	f("not", func(*table) {}, false)
	f("between two inserts", func(table *table) {
		n := 0
		table.setBefore(func(context.Context, string, []schema.Origin) error {
			if n++; n == 3 {
				return fmt.Errorf("%w: killed", errDoubt) // which no persistence repeats
			}
			return nil
		})
	}, true)
	f("answers are lost", func(table *table) { table.lose = 2 }, false)
	f("tokens are spent without rows", func(table *table) { table.crash = 2 }, false)
	f("receipts do not answer", func(table *table) { table.deaf = 3 }, false)
}

// What the server refuses stays a letter, and no other.
func TestAReplayLeavesWhatClickHouseRefuses(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		r.send(0, ahead("dev", i, 0))
	}
	r.nodeUntil(map[int32]int64{0: 5})
	r.table.setFault(func(rows []schema.Origin) error {
		if slices.Contains(rows, schema.Origin{Partition: 0, Offset: 3}) {
			return &ch.Exception{Code: proto.ErrCannotParseText}
		}
		return nil
	})
	r.expectReplay("with a row that is refused", nil, Replayed{Letters: 5, Stored: 4, Rejected: map[schema.Reason]int64{schema.ReasonRefused: 1}})
	r.table.setFault(nil)
	r.expectReplay("of the rest", nil, Replayed{Letters: 5, Stored: 1, Already: 4})
	expectRows(t, "at last", r.table, 0, 0, 1, 2, 3, 4)
}

// Above the group's commit the next owner stores what it has room for itself.
func TestAReplayKeepsToWhatIsCommitted(t *testing.T) {
	r := newRig(t)
	r.send(0, ahead("dev", 1, 0), ahead("dev", 2, 0), ahead("dev", 3, 0))
	r.nodeUntil(map[int32]int64{0: 3})
	r.commitAs(0, 1, "")
	r.expectReplay("above the commit", nil, Replayed{Letters: 3, Stored: 1, Open: 2})
	expectRows(t, "above the commit", r.table, 0, 0)
}

// The rest of a letter that was cut is read from its topic, while it is there.
func TestAReplayOfALetterThatWasCut(t *testing.T) {
	r := newRig(t)
	if err := r.cluster.DeleteTopic("telemetry.dead"); err != nil {
		t.Fatal(err)
	}
	if err := r.cluster.CreateTopic("telemetry.dead", 1, map[string]string{"max.message.bytes": "100000"}); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 100_000) // not to be compressed below the bound
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	for i := range 2 {
		r.send(0, strings.Replace(ahead("dev", i, 0), "}", `,"log":"`+hex.EncodeToString(noise)+`"}`, 1))
	}
	r.nodeUntil(map[int32]int64{0: 2})
	if l, err := ParseLetter(r.deadLetters(2)[0]); err != nil || l.CutFrom == 0 {
		t.Fatalf("cut from %d, %v; want letters that are cut", l.CutFrom, err)
	}
	var upTo kadm.Offsets
	upTo.Add(kadm.Offset{Topic: "telemetry", Partition: 0, At: 1})
	if _, err := kadm.NewClient(r.client).DeleteRecords(t.Context(), upTo); err != nil {
		t.Fatal(err)
	}
	r.expectReplay("cut", nil, Replayed{Letters: 2, Stored: 1, Gone: 1})
	expectRows(t, "cut", r.table, 0, 1)
}

// Of several replays one works, and one that Kafka takes for dead stops.
func TestOneReplayAtATime(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.SessionTimeout = time.Second
	first, err := lockReplay(t.Context(), r.cfg.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryLockReplay(t.Context(), r.cfg.Kafka); !errors.Is(err, errOtherReplay) {
		t.Errorf("a second one beside it: %v", err)
	}
	if err := first.held(t.Context()); err != nil {
		t.Errorf("after another has tried: %v", err)
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = r.cfg.Kafka.replayGroup()
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: first.member}}
	if _, err := leave.RequestWith(t.Context(), r.client); err != nil {
		t.Fatal(err)
	}
	if err := first.held(t.Context()); err == nil || !strings.Contains(err.Error(), "replay again") {
		t.Errorf("after Kafka took it for dead: %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		second, err := lockReplay(context.WithoutCancel(t.Context()), r.cfg.Kafka)
		if err == nil {
			err = second.release()
		}
		waiting <- err
	}()
	if err := first.release(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
}

func TestWhatCannotBeReplayed(t *testing.T) {
	r := newRig(t)
	p, o := int32(1), int64(2)
	f := func(want string, change func(*ReplayRequest)) {
		t.Helper()
		if _, err := r.replay(mended(), change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("want more than 0", func(q *ReplayRequest) { q.Rate = 0 })
	dry := func(f LetterFilter) func(*ReplayRequest) {
		return func(q *ReplayRequest) { q.DryRun, q.Filter = true, f }
	}
	f(`there is no reason "late"`, dry(LetterFilter{Reasons: []schema.Reason{"late"}}))
	f("give the partition too", dry(LetterFilter{Offset: &o}))
	f("give an earlier begin", dry(LetterFilter{From: time.UnixMilli(2), To: time.UnixMilli(2), Partition: &p}))
	r.commitAs(0, 1, "penstock 99")
	f("is not understood", dry(LetterFilter{}))
	r.commitAs(0, 1, "")
	r.cfg.Kafka.DeadLetterTopic = "absent"
	f("create it with `ingest migrate`", dry(LetterFilter{}))
}
