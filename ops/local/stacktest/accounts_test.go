package stacktest

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/kafka"
)

// TestAccounts has each account of the way from Kafka to ClickHouse do what it is
// for with the rights that are written down for it and no others, and try what it
// must not be able to.
func TestAccounts(t *testing.T) {
	s := start(t, kafka.KFake)
	names := strings.NewReplacer("penstock.", "audited.")
	as(t, s, names, "clickhouse/migrate.sql")
	a := newAudited(t, s.Addresses()) // migrates
	does := func(t *testing.T, command string, args ...string) {
		t.Helper()
		if out, err := a.command(t.Context(), command, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	refused := func(t *testing.T, statements ...string) {
		t.Helper()
		for _, statement := range statements {
			err := a.conn.Exec(t.Context(), names.Replace(statement))
			var ex *clickhouse.Exception
			if !errors.As(err, &ex) || ex.Code != 497 {
				t.Errorf("%s: got %v, want that it is not granted", statement, err)
			}
		}
	}
	// What nobody but who keeps the server may.
	refusedToAll := []string{
		"DROP TABLE penstock.telemetry", "TRUNCATE TABLE penstock.telemetry", "DROP DATABASE audited",
		"ALTER TABLE penstock.telemetry DELETE WHERE 1", "DELETE FROM penstock.telemetry WHERE 1",
		"ALTER TABLE penstock.telemetry DROP PARTITION '2026-01-01'", "ALTER TABLE penstock.telemetry DROP COLUMN extra",
		"CREATE TABLE penstock.x (x UInt8) ENGINE = Memory", "CREATE USER x", "GRANT SELECT ON *.* TO default",
	}
	const insert = "INSERT INTO penstock.telemetry (device_id) VALUES ('x')"

	t.Run("migrate", func(t *testing.T) {
		does(t, "migrate") // again
		refused(t, append(refusedToAll, insert)...)
	})

	t.Run("ingest", func(t *testing.T) {
		as(t, s, names, "clickhouse/ingest.sql")
		does(t, "check")
		a.send(t, 2000)
		// What cannot be stored until the schema is mended.
		ahead := &kgo.Record{Topic: a.topic, Key: []byte("device-1"), Value: []byte(reading(1, 1_000_000, time.Now().AddDate(2, 0, 0)))}
		if err := a.kafka.ProduceSync(t.Context(), ahead).FirstErr(); err != nil {
			t.Fatal(err)
		}
		a.sent.Rejects++
		// What the schema does not know, which is given a column in the end.
		for seq := range 50 {
			value := strings.Replace(reading(2, 2_000_000+seq, a.noon), "{", `{"torque":1.5,`, 1)
			if err := a.kafka.ProduceSync(t.Context(), &kgo.Record{Topic: a.topic, Key: []byte("device-2"), Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			a.sent.Stored++
		}
		a.store(t)
		refused(t, append(refusedToAll, "DROP TABLE penstock.telemetry_1m_state", "ALTER TABLE penstock.telemetry ADD COLUMN x UInt8",
			"INSERT INTO penstock.telemetry_sealed (device_id) VALUES ('x')")...)
	})

	t.Run("audit", func(t *testing.T) {
		as(t, s, names, "clickhouse/audit.sql")
		a.want(t, a.audit(t), 0, "proven", a.sent)
		refused(t, append(refusedToAll, insert, "INSERT INTO penstock.telemetry_1m_state (device_id) VALUES ('x')")...)
	})

	t.Run("repair", func(t *testing.T) {
		s.ClickHouse.Grant("")
		if err := errors.Join(s.ClickHouse.Stop(), s.ClickHouse.Start(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := a.conn.Exec(clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 1})),
			"ALTER TABLE "+a.state+" DELETE WHERE device_id = 'device-3'"); err != nil {
			t.Fatal(err)
		}
		as(t, s, names, "clickhouse/audit.sql", "clickhouse/repair.sql")
		if got := a.audit(t, "--repair-rollups", "--day", a.noon.Format("2006-01-02")); len(got.Rollups) != 1 || got.Rollups[0].State != "repaired" {
			t.Errorf("got %+v, %v", got.Rollups, got.Notes)
		}
		refused(t, append(refusedToAll, insert)...)
	})

	t.Run("replay", func(t *testing.T) {
		as(t, s, names, "clickhouse/replay.sql")
		does(t, "dlq", "ls")
		got, err := a.replay(t.Context(), "--reason", "time", "--set", "schema="+mendedSchema(t))
		if err != nil || got.Stored != 1 {
			t.Errorf("%+v, %v; want one dead letter stored", got, err)
		}
		refused(t, refusedToAll...)
	})

	// Rollups that come later are counted from what is stored. There are several, and
	// of the sealed and other tables no name begins like theirs.
	t.Run("backfill", func(t *testing.T) {
		as(t, s, strings.NewReplacer("penstock.telemetry_1m*", "audited.telemetry_1*", "penstock.", "audited."), "clickhouse/migrate.sql")
		does(t, "migrate", "--set", "schema="+filepath.Join("..", "..", "..", "docs", "examples", "telemetry_rollups.yaml"))
	})

	t.Run("evolve", func(t *testing.T) {
		as(t, s, names, "clickhouse/ingest.sql", "clickhouse/evolve.sql")
		does(t, "schema", "apply")
		var columns uint64
		if err := a.conn.QueryRow(t.Context(), "SELECT count() FROM system.columns WHERE database = 'audited' AND table = 'telemetry_all' AND name = 'torque'").Scan(&columns); err != nil || columns != 1 {
			t.Errorf("the view has %d columns for a new field, %v", columns, err)
		}
		refused(t, refusedToAll...)
	})
}

// The accounts are made by statements that ClickHouse understands, of settings it
// has; each file of rights is for one of them, and each of them has a file.
func TestAccountsAreMade(t *testing.T) {
	s := start(t, kafka.KFake)
	conn := clickHouseClient(t, s.Addresses())
	script := right(t, strings.NewReplacer(), "clickhouse/accounts.sql")
	var code []string
	for line := range bytes.Lines(script) {
		text, _, _ := strings.Cut(string(line), "--")
		code = append(code, text)
	}
	users := map[string]bool{}
	for statement := range strings.SplitSeq(strings.Join(code, ""), ";") {
		if statement = strings.TrimSpace(statement); statement == "" {
			continue
		}
		if err := conn.Exec(t.Context(), "EXPLAIN AST "+statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
		words := strings.Fields(strings.NewReplacer("IF NOT EXISTS ", "", ",", " ").Replace(statement))
		if words[1] == "USER" {
			users[words[2]] = true
		}
		if profile, settings, ok := strings.Cut(statement, " SETTINGS\n"); ok && words[1] == "SETTINGS" {
			for setting := range strings.SplitSeq(settings, ",") {
				name := strings.Fields(setting)[0]
				var n uint64
				if err := conn.QueryRow(t.Context(), "SELECT count() FROM system.settings WHERE name = ?", name).Scan(&n); err != nil || n != 1 {
					t.Errorf("%s: ClickHouse has no setting %s (%v)", profile, name, err)
				}
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(deploy, "clickhouse", "*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string]bool{}
	for _, file := range files {
		if filepath.Base(file) == "accounts.sql" {
			continue
		}
		for line := range bytes.Lines(right(t, strings.NewReplacer(), "clickhouse/"+filepath.Base(file))) {
			statement, _, _ := strings.Cut(string(line), "--")
			if _, to, ok := strings.Cut(strings.TrimSpace(statement), " TO "); ok {
				granted[strings.TrimSuffix(to, ";")] = true
			}
		}
	}
	for user := range granted {
		if !users[user] {
			t.Errorf("rights are for %s, which accounts.sql does not make", user)
		}
	}
	for user := range users {
		if !granted[user] {
			t.Errorf("accounts.sql makes %s, which no file gives rights", user)
		}
	}
}
