package stacktest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// hotPartition: a gateway sends under one key.
func hotPartition(t *testing.T, r *rehearsal) {
	const id = "hot-partition"
	r.stop(t)
	const gateway = 777
	r.send(t, 20_000, 3, gateway, time.Now())
	r.send(t, 40, -1, 1, time.Now())
	groups := "kafka-consumer-groups.sh"
	lags := regexp.MustCompile(`(?m)^penstock\s+telemetry\s+(\d)\s+\d+\s+\d+\s+(\d+)`)
	behind := map[string]string{}
	for _, m := range lags.FindAllStringSubmatch(r.do(t, id, "See", groups), -1) {
		behind[m[1]] = m[2]
	}
	if behind["3"] != "20010" || behind["0"] != "10" {
		t.Errorf("the hot partition is not seen: %v", behind)
	}
	r.do(t, id, "Mend", "producer_byte_rate")
	r.configure(t, "decoders: 4\n")
	r.start(t, "")
	eventually(t, "commit of all that was sent", func() error { return r.committed(t.Context()) })
	if out := r.do(t, id, "See", "device_id"); !strings.HasPrefix(out, fmt.Sprintf("device-%d\t20000", gateway)) {
		t.Errorf("who sends it is not seen: %s", out)
	}
	r.do(t, id, "See", "/metrics")
	r.do(t, id, "Check", groups)
	r.proven(t, id)
	r.configure(t, "")
	// Where the others matter more than the backlog, a node starts like this.
	fresh := r.step(t, "lag-grows-cpu-high", "Mend", "ingest run")
	r.typed[fresh.Text] = true
	r.stop(t)
	r.start(t, fresh.Text)
}

// dlqFills: a gateway hands in what it kept for years.
func dlqFills(t *testing.T, r *rehearsal) {
	const id = "dlq-fills"
	r.send(t, 300, -1, 5, time.Date(2014, 6, 1, 12, 0, 0, 0, time.UTC))
	r.send(t, 300, -1, 6, time.Now())
	eventually(t, "commit of all that was sent", func() error { return r.committed(t.Context()) })
	list := r.do(t, id, "See", "dlq ls")
	letter := regexp.MustCompile(`\d+@\d+`).FindString(list)
	if !strings.Contains(list, "time") || !strings.Contains(list, "300") || letter == "" {
		t.Fatalf("the letters are not seen: %s", list)
	}
	if out := r.do(t, id, "See", "dlq show", "3@1041", letter); !strings.Contains(out, "device-5") {
		t.Errorf("a letter is not seen: %s", out)
	}
	r.leads(t, id)
	if m := r.metrics(t); m["penstock_ingest_reject_rate_high"] != 1 {
		t.Errorf("the rate is not high: %v", m["penstock_ingest_reject_rate_high"])
	}
	dry := r.step(t, id, "Mend", "--dry-run").Text
	if out := r.do(t, id, "Mend", "--dry-run"); !strings.Contains(out, "300") {
		t.Errorf("with nothing mended: %s", out)
	}
	// The cause is mended: their times are true, and the schema file has room for them.
	text, err := os.ReadFile(mendedSchema(t))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(r.dir, "mended.yaml"), text)
	r.configure(t, "schema: "+filepath.Join(r.dir, "mended.yaml")+"\n")
	r.stop(t)
	r.start(t, "")
	if out := r.do(t, id, "Mend", "--dry-run"); !strings.Contains(out, "300") {
		t.Errorf("dry: %s", out)
	}
	r.typed[strings.TrimSuffix(dry, " --dry-run")] = true
	if out, status := r.run(t, strings.TrimSuffix(dry, " --dry-run")); status != 0 {
		t.Fatal(out)
	}
	r.do(t, id, "Check", "/metrics")
	r.do(t, id, "Check", "ingest audit")
	out, _ := r.run(t, "ingest audit --config ingest.yaml --from 1h --json")
	if !strings.Contains(out, `"replayed": 300`) {
		t.Errorf("the letters are not stored: %s", out)
	}
}

// stuckIntent: a node dies between the intent and the insert, and there is no other.
func stuckIntent(t *testing.T, r *rehearsal) {
	const id = "stuck-intent"
	r.inserts.Hold()
	r.send(t, 1000, -1, 1, time.Now())
	eventually(t, "rows on their way", func() error {
		if r.inserts.Held() == 0 {
			return errors.New("none")
		}
		return nil
	})
	if err := r.node.Kill(); err != nil {
		t.Fatal(err)
	}
	r.node = nil
	// Kafka knows that they were about to be stored; nobody owns the partition.
	commits, err := r.group.FetchOffsets(t.Context(), "penstock")
	if err != nil {
		t.Fatal(err)
	}
	pending := 0
	commits.Each(func(o kadm.OffsetResponse) { pending += strings.Count(o.Metadata, "@") })
	if pending == 0 {
		t.Error("nothing is declared and not confirmed")
	}
	out, _ := r.try(t, id, "See", "kafka-consumer-groups.sh")
	eventually(t, "that the group has no member", func() error {
		if out, _ = r.try(t, id, "See", "kafka-consumer-groups.sh"); !strings.Contains(out, "no active members") {
			return errors.New(out)
		}
		return nil
	})
	r.sees(t, id, "See", "localhost:9468", `penstock_watch_group_members{stream="telemetry"} 0`)
	node := r.step(t, id, "Mend", "ingest run")
	r.typed[node.Text] = true
	if err := r.begin(node.Text); err != nil {
		t.Fatal(err)
	}
	r.inserts.Release() // what the dead node had sent arrives beside what is settled
	if err := r.node.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := r.metrics(t); m["penstock_ingest_settled_intents_total"] == 0 {
		t.Error("no intent was settled")
	}
	r.do(t, id, "Check", "/metrics")
	r.overAndProven(t, id)
}

// badDeploy: a schema is rolled out whose column no table has.
func badDeploy(t *testing.T, r *rehearsal) {
	const id = "bad-deploy"
	text, err := os.ReadFile(filepath.Join(r.dir, "mended.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(r.dir, "ingest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(r.dir, "next.yaml")
	overwrite(t, next, []byte(strings.Replace(string(text), "version: 1", "version: 2", 1)+"\n  - {id: 27, name: torque, type: float32, nullable: true, since: 2}\n"))
	r.stop(t)
	r.configure(t, "schema: "+next+"\n")
	if err := r.begin(""); err != nil {
		t.Fatal(err)
	}
	r.send(t, 100, -1, 1, time.Now())
	select {
	case <-r.node.Done():
	case <-time.After(time.Minute):
		t.Fatal("the node runs on without the column")
	}
	if err := r.node.Err(); err == nil || !strings.Contains(err.Error(), "torque") {
		t.Errorf("its last words do not name the column: %v", err)
	}
	r.node = nil
	if out, status := r.try(t, id, "See", "ingest check"); status == 0 || !strings.Contains(out, "torque") {
		t.Errorf("what the deploy lacks is not seen: %d %s", status, out)
	}
	if out, status := r.try(t, id, "See", "/readyz"); status == 0 {
		t.Errorf("no node lives, and one says %s", out)
	}
	r.leads(t, id)
	// Roll back.
	overwrite(t, filepath.Join(r.dir, "ingest.yaml"), before)
	r.start(t, "")
	r.do(t, id, "See", "/metrics")
	r.overAndProven(t, id)
	r.do(t, id, "Check", "/lag")
	// And forward once more, this time in order.
	r.configure(t, "schema: "+next+"\n")
	r.do(t, id, "Mend", "ingest migrate")
	r.do(t, id, "Mend", "ingest check")
	r.stop(t)
	r.start(t, "")
	r.send(t, 100, -1, 1, time.Now())
	r.overAndProven(t, id)
}

// offsetOutOfRange: Kafka deletes what was not stored.
func offsetOutOfRange(t *testing.T, r *rehearsal) {
	const id = "offset-out-of-range"
	r.stop(t)
	ends, err := r.group.ListEndOffsets(t.Context(), "telemetry")
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup("telemetry", 3)
	r.send(t, 100, 3, 1, time.Now())
	const lost = 40
	var gone kadm.Offsets
	gone.Add(kadm.Offset{Topic: "telemetry", Partition: 3, At: end.Offset + lost})
	if _, err := r.group.DeleteRecords(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if err := r.begin(""); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.node.Done():
	case <-time.After(time.Minute):
		t.Fatal("the node goes on without what was deleted")
	}
	if err := r.node.Err(); err == nil || !strings.Contains(err.Error(), "OFFSET_OUT_OF_RANGE") {
		t.Errorf("it does not say why: %v", err)
	}
	r.node = nil
	r.leads(t, id)
	if out := r.do(t, id, "See", "kafka-consumer-groups.sh"); !regexp.MustCompile(fmt.Sprintf(`(?m)telemetry\s+3\s+%d\s`, end.Offset)).MatchString(out) {
		t.Errorf("what is committed is not seen: %s", out)
	}
	if out := r.do(t, id, "See", "kafka-get-offsets.sh"); !strings.Contains(out, fmt.Sprintf("telemetry:3:%d", end.Offset+lost)) {
		t.Errorf("what Kafka has is not seen: %s", out)
	}
	r.do(t, id, "Mend", "retention.ms")
	if out := r.do(t, id, "See", "kafka-configs.sh"); !strings.Contains(out, "retention.ms=1209600000") {
		t.Errorf("how long Kafka keeps records is not seen: %s", out)
	}
	eventually(t, "the offset to be set", func() error { // the group has to be empty
		out, status := r.try(t, id, "Mend", "--dry-run")
		if status == 0 {
			out, status = r.try(t, id, "Mend", "--execute")
		}
		if status != 0 || !strings.Contains(out, fmt.Sprint(end.Offset+lost)) {
			return errors.New(out)
		}
		return nil
	})
	r.start(t, "")
	r.sees(t, id, "Check", "/readyz", "ok")
	eventually(t, "commit of all that was sent", func() error { return r.committed(context.WithoutCancel(t.Context())) })
	r.sees(t, id, "Check", "/lag", "caught up in: 0s")
	out, status := r.try(t, id, "Check", "ingest audit")
	if status == 0 || !strings.Contains(out, fmt.Sprintf("p3 [%d,%d), %d in all", end.Offset, end.Offset+lost, lost)) {
		t.Errorf("the audit does not name what is lost, and nothing else: %d\n%s", status, out)
	}
}
