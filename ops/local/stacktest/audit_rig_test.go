package stacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

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
	noon   time.Time // of the day that all readings are of, whenever the test runs
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
	Replayed   int64 `json:"replayed"`
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
		Periods int    `json:"periods"`
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

func newAudited(t *testing.T, at stack.Addresses) *audited {
	t.Helper()
	a := &audited{at: at, ingest: filepath.Join(products(t), "ingest"), topic: "audited", kafka: kafkaClient(t, at),
		noon: time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)}
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
	a.state = schema.Telemetry().RollupTables(tables)[0].State()
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
		value := reading(device, a.seq, a.noon.Add(time.Duration(a.seq)*time.Second))
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
	eventually(t, "commit of all that was sent", func() error { return a.committed(t.Context()) })
	if err := errors.Join(node.Process.Signal(syscall.SIGTERM), node.Wait()); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
}

// committed is an error unless the group has committed all of the topic.
func (a *audited) committed(ctx context.Context) error {
	ends, err := a.admin.ListEndOffsets(ctx, a.topic)
	if err != nil {
		return err
	}
	commits, err := a.admin.FetchOffsets(ctx, "penstock")
	if err != nil {
		return err
	}
	for p, end := range ends[a.topic] {
		if o, ok := commits.Lookup(a.topic, p); end.Offset > 0 && (!ok || o.At != end.Offset) {
			return fmt.Errorf("of p%d %d is committed, want %d", p, o.At, end.Offset)
		}
	}
	return nil
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

// seal moves the day of the readings to the sealed table.
func (a *audited) seal(t *testing.T) (day string) {
	t.Helper()
	day = a.noon.Format(time.DateOnly)
	a.exec(t, "ALTER TABLE "+a.hot+" MOVE PARTITION '"+day+"' TO TABLE "+a.hot+"_sealed")
	return day
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
