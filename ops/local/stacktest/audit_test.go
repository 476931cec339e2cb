package stacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
	"penstock/schema"
)

// audited is a topic that a node has stored, and the command that audits it.
type audited struct {
	at     stack.Addresses
	ingest string
	topic  string
	kafka  *kgo.Client
	admin  *kadm.Client
	conn   driver.Conn
	hot    string
	state  string
	sent   counted
	seq    int
}

// counted is what a topic holds, by what has to become of it.
type counted struct {
	Stored     int64 `json:"stored"`
	Duplicates int64 `json:"duplicates"`
	Rejects    int64 `json:"rejects"`
	Missing    int64 `json:"missing"`
	Doubled    int64 `json:"doubled"`
	Repeated   int64 `json:"repeated"`
	Unproven   int64 `json:"unproven"`
	Open       int64 `json:"open"`
}

// outcome is what `ingest audit --json` says.
type outcome struct {
	status   int
	Verdict  string  `json:"verdict"`
	Total    counted `json:"total"`
	Findings []struct {
		Kind      string `json:"kind"`
		Partition int32  `json:"partition"`
		First     int64  `json:"first"`
		Next      int64  `json:"next"`
		Why       string `json:"why"`
	} `json:"findings"`
	Rollups []struct {
		Day     string `json:"day"`
		State   string `json:"state"`
		Rows    uint64 `json:"rows"`
		Rollup  uint64 `json:"rollup"`
		Minutes int    `json:"minutes"`
	} `json:"rollups"`
	Notes []string `json:"notes"`
}

// findings are the exact offsets of what was found.
func (o outcome) findings() (all []string) {
	for _, f := range o.Findings {
		all = append(all, fmt.Sprintf("%s p%d[%d,%d)", f.Kind, f.Partition, f.First, f.Next))
	}
	return all
}

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
		day := a.text(t, "SELECT toString(toDate(min(ts))) FROM "+a.hot)
		a.exec(t, "ALTER TABLE "+a.hot+" MOVE PARTITION '"+day+"' TO TABLE "+a.hot+"_sealed")
		a.want(t, a.audit(t), 0, "proven", a.sent)
		a.exec(t, "ALTER TABLE "+a.hot+"_sealed MOVE PARTITION '"+day+"' TO TABLE "+a.hot)
	})
	t.Run("damaged", func(t *testing.T) { testAuditNamesTheDamage(t, a) })
	t.Run("Kafka no longer has it", func(t *testing.T) {
		// Only what a record would have to explain is in doubt: rows and dead
		// letters tell for themselves.
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

func newAudited(t *testing.T, at stack.Addresses) *audited {
	t.Helper()
	a := &audited{at: at, ingest: filepath.Join(products(t), "ingest"), topic: "audited", kafka: kafkaClient(t, at)}
	a.admin = kadm.NewClient(a.kafka)
	if _, err := a.admin.CreateTopic(t.Context(), auditedPartitions, 1, nil, a.topic); err != nil {
		t.Fatal(err)
	}
	a.at.ClickHouse.Database = "audited"
	if out, err := a.command(t.Context(), "migrate").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	a.conn = clickHouseClient(t, a.at)
	tables := schema.Tables{Database: "audited"}
	a.hot = "audited.telemetry"
	a.state, _ = schema.Telemetry().RollupState(tables)
	return a
}

func (a *audited) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	settings := map[string]string{
		"kafka.brokers": strings.Join(a.at.Kafka.Brokers, ","), "kafka.topic": a.topic, "admin.addr": "",
		"clickhouse.addr": a.at.ClickHouse.Native, "clickhouse.user": a.at.ClickHouse.User,
		"clickhouse.password": a.at.ClickHouse.Password, "clickhouse.database": a.at.ClickHouse.Database,
		"batch.age": "200ms", "lanes": "1",
	}
	args = append([]string{name}, args...)
	for key, value := range settings {
		args = append(args, "--set", key+"="+value)
	}
	return exec.CommandContext(ctx, a.ingest, args...)
}

// send produces n events, and resends and malformed records among them.
func (a *audited) send(t *testing.T, n int) {
	t.Helper()
	now := time.Now()
	var records []*kgo.Record
	add := func(device int, value string) {
		records = append(records, &kgo.Record{Topic: a.topic, Key: fmt.Appendf(nil, "device-%d", device), Value: []byte(value), Timestamp: now})
	}
	for range n {
		device := a.seq % 17
		value := reading(device, a.seq, now)
		add(device, value)
		a.sent.Stored++
		if a.seq%20 == 0 {
			add(device, value)
			a.sent.Duplicates++
		}
		if a.seq%50 == 0 {
			add(device, `{"device_id":`)
			a.sent.Rejects++
		}
		a.seq++
	}
	if err := a.kafka.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func reading(device, seq int, at time.Time) string {
	return fmt.Sprintf(`{"device_id":"device-%d","seq":%d,"ts":%d,"temperature":%d}`, device, seq, at.UnixMilli(), 20+seq%10)
}

// store runs a node until all is committed.
func (a *audited) store(t *testing.T) {
	t.Helper()
	node := a.command(t.Context(), "run")
	var log bytes.Buffer // read once the node has ended
	node.Stdout, node.Stderr = &log, &log
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "commit of all that was sent", func() error {
		ends, err := a.admin.ListEndOffsets(t.Context(), a.topic)
		if err != nil {
			return err
		}
		commits, err := a.admin.FetchOffsets(t.Context(), "penstock")
		if err != nil {
			return err
		}
		for p, end := range ends[a.topic] {
			if o, ok := commits.Lookup(a.topic, p); end.Offset > 0 && (!ok || o.At != end.Offset) {
				return fmt.Errorf("of p%d %d is committed, want %d", p, o.At, end.Offset)
			}
		}
		return nil
	})
	if err := errors.Join(node.Process.Signal(syscall.SIGTERM), node.Wait()); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
}

// audit runs the command as a script does.
func (a *audited) audit(t *testing.T, args ...string) (o outcome) {
	t.Helper()
	cmd := a.command(t.Context(), "audit", append([]string{"--json"}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("%v\n%s%s", err, out, said.String())
	}
	o.status = cmd.ProcessState.ExitCode()
	return o
}

func (a *audited) want(t *testing.T, got outcome, status int, verdict string, total counted) {
	t.Helper()
	if got.status != status || got.Verdict != verdict || got.Total != total {
		t.Errorf("exit %d, %s: %+v\nwant %d, %s: %+v\nfindings %+v\nrollups %+v\nnotes %v",
			got.status, got.Verdict, got.Total, status, verdict, total, got.Findings, got.Rollups, got.Notes)
	}
}

func (a *audited) exec(t *testing.T, statement string) {
	t.Helper()
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 2}))
	if err := a.conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func (a *audited) text(t *testing.T, query string) (text string) {
	t.Helper()
	if err := a.conn.QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

// produce sends one record to a partition and has the group commit it, as if a
// node had dealt with it.
func (a *audited) produce(t *testing.T, partition int32, value string) (offset int64) {
	t.Helper()
	client := kafkaClient(t, a.at, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	result := client.ProduceSync(t.Context(), &kgo.Record{Topic: a.topic, Partition: partition, Key: []byte("k"), Value: []byte(value)})
	if err := result.FirstErr(); err != nil {
		t.Fatal(err)
	}
	offset = result[0].Record.Offset
	var commit kadm.Offsets
	commit.Add(kadm.Offset{Topic: a.topic, Partition: partition, At: offset + 1, LeaderEpoch: -1})
	if err := a.admin.CommitAllOffsets(t.Context(), "penstock", commit); err != nil {
		t.Fatal(err)
	}
	return offset
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

// unique returns the first of n offsets of a partition in a row whose events
// were sent once, away from what was returned before.
func (a *audited) unique(t *testing.T, partition int32, n int) int64 {
	t.Helper()
	var offset int64
	query := fmt.Sprintf("SELECT o FROM (SELECT _offset AS o, seq AS s, count() OVER (ORDER BY _offset RANGE BETWEEN CURRENT ROW AND %d FOLLOWING) AS ahead, "+
		"countIf(seq %% 20 = 0) OVER (ORDER BY _offset RANGE BETWEEN CURRENT ROW AND %[1]d FOLLOWING) AS resent FROM %[2]s WHERE _partition = %[3]d) "+
		"WHERE ahead = %d AND resent = 0 ORDER BY o LIMIT 1 OFFSET %d", n-1, a.hot, partition, n, a.seq%7)
	if err := a.conn.QueryRow(t.Context(), query).Scan(&offset); err != nil {
		t.Fatal(err)
	}
	a.seq++
	return offset
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
	scratch, create := schema.Telemetry().RollupScratch(schema.Tables{Database: "audited"}, parsed)
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
