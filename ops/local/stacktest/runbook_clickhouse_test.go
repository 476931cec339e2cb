package stacktest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/ops/local/proxy"
)

// lagGrowsCPULow: ClickHouse answers slowly, so the nodes wait.
func lagGrowsCPULow(t *testing.T, r *rehearsal) {
	const id = "lag-grows-cpu-low"
	if err := r.clickHouse.Break(proxy.Delay(proxy.Upstream, 800*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	before := r.metrics(t)
	stop := r.sendsOn(t)
	defer stop()
	// Nothing fails, an insert takes seconds, the oldest record gets old.
	eventually(t, "slow inserts", func() error {
		now := r.metrics(t)
		count := now["penstock_ingest_insert_duration_seconds_count"] - before["penstock_ingest_insert_duration_seconds_count"]
		took := now["penstock_ingest_insert_duration_seconds_sum"] - before["penstock_ingest_insert_duration_seconds_sum"]
		if count < 2 || took/count < 1 {
			return fmt.Errorf("%v inserts took %v s", count, took)
		}
		return nil
	})
	was, at := r.metrics(t), time.Now()
	r.sees(t, id, "See", "/lag", "records to do")
	r.leads(t, id)
	if out := r.do(t, id, "See", "ingest check"); !strings.Contains(out, "ok") {
		t.Error(out)
	}
	r.do(t, id, "See", "system.processes")
	now := r.metrics(t)
	if lag := now["penstock_ingest_backlog_seconds"]; lag < 1 {
		t.Errorf("the oldest record is %v s old", lag)
	}
	if cpu := (now["process_cpu_seconds_total"] - was["process_cpu_seconds_total"]) / time.Since(at).Seconds() / now["go_sched_gomaxprocs_threads"]; cpu > 0.6 {
		t.Errorf("the node uses %.2f of its cores; it is to be idle", cpu)
	}
	// Kafka keeps what comes meanwhile.
	r.do(t, id, "Mend", "retention.ms")
	r.do(t, id, "Mend", "KILL QUERY")
	if err := r.clickHouse.Heal(); err != nil {
		t.Fatal(err)
	}
	stop()
	r.overAndProven(t, id)
	r.sees(t, id, "Check", "/lag", "caught up in: 0s")
}

// partsGrow: merges were stopped, and ClickHouse refuses inserts.
func partsGrow(t *testing.T, r *rehearsal) {
	const id = "freshness-worse-parts-grow"
	exec := func(statement string) {
		t.Helper()
		if _, err := r.sql(t, statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("SYSTEM STOP MERGES telemetry")
	exec("ALTER TABLE telemetry MODIFY SETTING parts_to_delay_insert = 3, parts_to_throw_insert = 6")
	stop := r.sendsOn(t)
	defer stop()
	r.sees(t, "lag-grows-cpu-low", "See", "/readyz", "insert has been failing", "252", "oo many parts")
	r.leads(t, id)
	out := r.do(t, id, "See", "FROM system.parts")
	fullest := 0
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); f[0] == "telemetry" {
			fullest, _ = strconv.Atoi(f[2])
			break
		}
	}
	if fullest < 6 {
		t.Errorf("the runbook's list of parts does not show them:\n%s", out)
	}
	if out := r.do(t, id, "See", "engine_full"); !strings.Contains(out, "parts_to_throw_insert = 6") {
		t.Errorf("where the table's own limits are is not seen: %s", out)
	}
	r.do(t, id, "Mend", "SYSTEM START MERGES")
	r.do(t, id, "Mend", "KILL MUTATION")
	r.do(t, id, "Mend", "MODIFY SETTING")
	stop()
	r.overAndProven(t, id)
	r.do(t, id, "Check", "FROM system.parts")
	r.do(t, id, "Check", "RESET SETTING")
	if out := r.do(t, id, "See", "engine_full"); strings.Contains(out, "parts_to_throw_insert") {
		t.Errorf("the limits are not what they were: %s", out)
	}
}

// clickHouseReadOnly: somebody has set the table read-only.
func clickHouseReadOnly(t *testing.T, r *rehearsal) {
	const id = "clickhouse-readonly"
	if _, err := r.sql(t, "ALTER TABLE telemetry MODIFY SETTING table_readonly = 1"); err != nil {
		t.Fatal(err)
	}
	stop := r.sendsOn(t)
	defer stop()
	r.sees(t, id, "See", "/readyz", "insert has been failing", "774")
	r.leads(t, id)
	if out := r.do(t, id, "See", "engine_full ILIKE"); !strings.Contains(out, "telemetry\t") {
		t.Errorf("the table is not among those that are read-only: %q", out)
	}
	r.do(t, id, "Mend", "table_readonly")
	stop()
	r.overAndProven(t, id)
}

// diskFull: there is no room left, and then a larger disk.
func diskFull(t *testing.T, r *rehearsal) {
	const id = "disk-full"
	full, room := func() error { return r.stack.ClickHouse.Fill(0) }, func() error { return r.stack.ClickHouse.Empty() }
	if !r.stack.ClickHouse.Confined() { // it is only said to be full then
		reserve := func(bytes string) func() error {
			return func() error {
				_, err := r.sql(t, "ALTER TABLE telemetry MODIFY SETTING min_free_disk_bytes_to_perform_insert = "+bytes)
				return err
			}
		}
		full, room = reserve("1152921504606846976"), reserve("0")
	}
	// A day that may go, for the room that it gives.
	old := time.Now().UTC().Add(-25 * 24 * time.Hour)
	r.send(t, 500, -1, 1, old)
	eventually(t, "commit of all that was sent", func() error { return r.committed(t.Context()) })
	// Before it is full: a merge that runs out of room may break a part.
	r.do(t, id, "Mend", "SYSTEM STOP MERGES")
	if err := full(); err != nil {
		t.Fatal(err)
	}
	stop := r.sendsOn(t)
	defer stop()
	out := r.sees(t, id, "See", "/readyz", "insert has been failing")
	if !strings.Contains(out, "No space left") && !strings.Contains(out, "243") {
		t.Errorf("what the node says is not what the runbook has one look for: %s", out)
	}
	r.leads(t, id)
	r.do(t, id, "See", "FROM system.disks")
	r.do(t, id, "See", "compactor plan")
	if err := room(); err != nil {
		t.Fatal(err)
	}
	r.do(t, id, "Mend", "compactor run")
	if out := r.do(t, id, "See", "compactor plan"); !regexp.MustCompile(old.Format(time.DateOnly) + `.* cold `).MatchString(out) {
		t.Errorf("the day has not gone to S3: %s", out)
	}
	r.do(t, id, "Mend", "SYSTEM START MERGES")
	stop()
	r.overAndProven(t, id)
	r.do(t, id, "Check", "uniqExact")
	r.do(t, id, "Check", "FROM system.disks")
}
