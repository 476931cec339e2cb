package stacktest

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/ops/local/kafka"
	"penstock/schema"
)

const auditedPartitions = 3

// TestAudit stores a topic with the product, has it audited, damages it in every
// way there is, and wants exactly the damage named.
func TestAudit(t *testing.T) {
	a := newAudited(t, start(t, kafka.KFake).Addresses())
	a.send(t, 1500)
	a.store(t)

	t.Run("undamaged", func(t *testing.T) {
		a.want(t, a.audit(t), 0, "proven", a.sent)
	})
	t.Run("what is not committed is not promised", func(t *testing.T) {
		before := a.sent
		a.send(t, 30)
		want := before
		want.Open = a.sent.Stored + a.sent.Duplicates + a.sent.Rejects - before.Stored - before.Duplicates - before.Rejects
		a.want(t, a.audit(t), 0, "proven", want)
		a.store(t)
		a.want(t, a.audit(t), 0, "proven", a.sent)
	})
	t.Run("a time without records", func(t *testing.T) {
		a.want(t, a.audit(t, "--from", "3h", "--to", "2h"), 0, "proven", counted{})
	})
	t.Run("rollup", func(t *testing.T) { testAuditRepairsRollups(t, a) })
	t.Run("sealed", func(t *testing.T) {
		day := a.seal(t)
		a.want(t, a.audit(t), 0, "proven", a.sent)
		a.exec(t, "ALTER TABLE "+a.hot+"_sealed MOVE PARTITION '"+day+"' TO TABLE "+a.hot)
	})
	t.Run("damaged", func(t *testing.T) { testAuditNamesTheDamage(t, a) })
	t.Run("Kafka no longer has it", func(t *testing.T) {
		// Only what a record would have to explain is in doubt: rows, be they
		// sealed, and dead letters tell for themselves.
		a.seal(t)
		before := a.audit(t)
		ends, err := a.admin.ListEndOffsets(t.Context(), a.topic)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.admin.DeleteRecords(t.Context(), ends.Offsets()); err != nil {
			t.Fatal(err)
		}
		got := a.audit(t)
		want := before.Total
		want.Missing, want.Duplicates, want.Unproven = 0, 0, want.Missing+want.Duplicates
		a.want(t, got, 1, "violated", want) // by what is stored twice
	})
}

// An audit of a topic that was damaged in every way names exactly the damage.
func testAuditNamesTheDamage(t *testing.T, a *audited) {
	want := a.sent
	var findings []string
	found := func(kind string, p int32, first, next int64) {
		findings = append(findings, fmt.Sprintf("%s p%d[%d,%d)", kind, p, first, next))
	}
	// Rows that are lost: two that follow one another, and one. Their offsets
	// are such that no resend of them is stored or was sent.
	gone := a.unique(t, 0, 2)
	a.exec(t, fmt.Sprintf("ALTER TABLE %s DELETE WHERE _partition = 0 AND _offset IN (%d, %d)", a.hot, gone, gone+1))
	found("missing", 0, gone, gone+2)
	lone := a.unique(t, 1, 1)
	a.exec(t, fmt.Sprintf("ALTER TABLE %s DELETE WHERE _partition = 1 AND _offset = %d", a.hot, lone))
	found("missing", 1, lone, lone+1)
	// A row that is stored twice, by an insert with a token of its own.
	twice := a.unique(t, 2, 1)
	a.exec(t, fmt.Sprintf("INSERT INTO %s SELECT * FROM %[1]s WHERE _partition = 2 AND _offset = %d SETTINGS insert_deduplication_token = 'another'", a.hot, twice))
	found("doubled", 2, twice, twice+1)
	// A reject that was committed and has no dead letter.
	silent := a.produce(t, 1, `{"device_id":"device-1"}`)
	found("missing", 1, silent, silent+1)
	// A resend that was stored.
	resent := a.produce(t, 2, "{}")
	a.exec(t, fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (%d AS _offset) FROM %[1]s WHERE _partition = 2 AND _offset = %d LIMIT 1", a.hot, resent, a.unique(t, 2, 1)))
	found("repeated", 2, resent, resent+1)
	// The rollup still has what was deleted; that is another test's.
	want.Stored += -3 + 1
	want.Missing, want.Doubled, want.Repeated = 4, 1, 1
	slices.Sort(findings)

	a.audit(t, "--repair-rollups")
	got := a.audit(t)
	a.want(t, got, 1, "violated", want)
	if named := got.findings(); !slices.Equal(slices.Sorted(slices.Values(named)), findings) {
		t.Errorf("named %q\nwant  %q", named, findings)
	}
	// As a person sees it.
	out, err := a.command(t.Context(), "audit").Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("ended with %v, want exit status 1", err)
	}
	for _, text := range []string{fmt.Sprintf("missing: p0 [%d,%d), 2 in all: neither stored nor a duplicate nor a reject", gone, gone+2), "cannot be stored (missing), and has no dead letter", "VIOLATED"} {
		if !bytes.Contains(out, []byte(text)) {
			t.Errorf("%q is not in\n%s", text, out)
		}
	}
}

// A rollup that lacks rows is named and mended, and what is inserted after that
// counts once, whichever token it has.
func testAuditRepairsRollups(t *testing.T, a *audited) {
	rollup := func(got outcome, status int, state string, same bool) {
		t.Helper()
		if got.status != status || len(got.Rollups) != 1 || got.Rollups[0].State != state || (got.Rollups[0].Rows == got.Rollups[0].Rollup) != same {
			t.Fatalf("exit %d, rollups %+v; want %d, one day that %s", got.status, got.Rollups, status, state)
		}
	}
	rollup(a.audit(t), 0, "agrees", true)
	a.exec(t, "ALTER TABLE "+a.state+" DELETE WHERE device_id = 'device-3'")
	rollup(a.audit(t), 1, "differs", false)
	rollup(a.audit(t, "--repair-rollups"), 0, "repaired", true)
	rollup(a.audit(t, "--repair-rollups"), 0, "agrees", true)

	// One that has too much is mended as well.
	a.exec(t, "INSERT INTO "+a.state+" SELECT * FROM "+a.state)
	rollup(a.audit(t), 1, "differs", false)
	// A table that a killed repair left is in nobody's way.
	day := a.text(t, "SELECT toString(toDate(min(ts))) FROM "+a.hot)
	parsed, err := schema.ParseDay(day)
	if err != nil {
		t.Fatal(err)
	}
	scratch, create := schema.Telemetry().RollupTables(schema.Tables{Database: "audited"})[0].Scratch("repair", parsed)
	a.exec(t, create)
	a.exec(t, "INSERT INTO "+scratch+" SELECT * FROM "+a.state)
	rollup(a.audit(t, "--repair-rollups", "--day", day), 0, "repaired", true)

	// Tokens spent before the repair stay spent, new ones are not taken for
	// spent, and both hold for rows and rollup alike.
	insert := func(token string, offset int) {
		t.Helper()
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{
			"async_insert": 0, "insert_deduplicate": 1, "deduplicate_blocks_in_dependent_materialized_views": 1, "insert_deduplication_token": token}))
		statement := fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (toInt32(99) AS _partition, toInt64(%d) AS _offset, toUInt64(%[2]d) AS seq) FROM %[1]s LIMIT 1", a.hot, offset)
		if err := a.conn.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	rows := func() string {
		return a.text(t, fmt.Sprintf("SELECT concat(toString((SELECT count() FROM %s)), ' ', toString((SELECT sum(events) FROM %s)))", a.hot, a.state))
	}
	counted := func(more int) string {
		n := int(a.sent.Stored) + more
		return fmt.Sprintf("%d %d", n, n)
	}
	insert("before the repair", 1)
	a.exec(t, "ALTER TABLE "+a.state+" DELETE WHERE device_id = 'device-5'")
	rollup(a.audit(t, "--repair-rollups"), 0, "repaired", true)
	insert("before the repair", 1)
	if got := rows(); got != counted(1) {
		t.Errorf("a repeated insert made it %s, want %s", got, counted(1))
	}
	insert("after the repair", 2)
	insert("after the repair", 2)
	if got := rows(); got != counted(2) {
		t.Errorf("a new insert, twice, made it %s, want %s", got, counted(2))
	}
	a.exec(t, "ALTER TABLE "+a.hot+" DELETE WHERE _partition = 99")
	rollup(a.audit(t, "--repair-rollups"), 0, "repaired", true)
}
