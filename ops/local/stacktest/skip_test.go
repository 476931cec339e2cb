package stacktest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/ddl"
	"penstock/tiering/warehouse"
)

// Of a day of 2.1 million readings of 5,250 devices, a query of one device
// fetches less than a twentieth, whoever reads it, also if it asks for every column.
func testOneDeviceOfADay(t *testing.T, e coldTier) {
	w := tap(t, e.bucket.Endpoint)
	s := openColdTier(t, e, func(_ *tiering.Config, h *warehouse.Config) { h.S3Endpoint = w.endpoint })
	day := schema.DayOf(time.Now().UnixMilli()) - 40
	const devices, each = 5_250, 400
	s.fleetDay(t, day, devices, each)
	c := s.compactor(tiering.Events{})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	listed, err := c.Listed(t.Context(), day, day)
	if err != nil {
		t.Fatal(err)
	}
	var stored int64
	for _, f := range listed.Files {
		stored += f.Bytes
	}
	t.Logf("%d rows are %d bytes in %d files", devices*each, stored, len(listed.Files))

	through := e.bucket
	through.Endpoint = w.endpoint
	statements, err := ddl.Statements(ddl.DuckDB, ddl.Table{Name: "telemetry", Bucket: through, Listed: listed})
	if err != nil {
		t.Fatal(err)
	}
	view := filepath.Join(t.TempDir(), "view.sql")
	if err := os.WriteFile(view, []byte(statements), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(reader, columns string, ask func(columns, where string)) {
		t.Helper()
		seen := w.during(func() { ask(columns, fmt.Sprintf("_day = '%s' AND device_id = 'device-004321'", day)) })
		share := float64(seen.bytes) / float64(stored)
		t.Logf("%s, %s: %d requests, %d bytes, %.2f %%", reader, columns, seen.requests, seen.bytes, 100*share)
		if share >= 0.05 {
			t.Errorf("%s fetched %.2f %% of the day for %s of one device, want less than 5 %%", reader, 100*share, columns)
		}
	}
	clickHouse := func(columns, where string) {
		query := fmt.Sprintf("SELECT count() FROM (SELECT %s FROM %s WHERE %s) WHERE NOT ignore(*)", columns, s.schema.All(s.tables), where)
		if n := s.count(t, query); n != each {
			t.Errorf("ClickHouse finds %d readings, want %d", n, each)
		}
	}
	duckDB := func(columns, where string) {
		var rows [][]string
		query := fmt.Sprintf("SELECT %s FROM telemetry WHERE %s", columns, where)
		runPython(t, &rows, "ddl.py", "duckdb", view, query, w.endpoint, e.s3.AccessKey, e.s3.SecretKey, e.bucket.Region)
		if len(rows) != each {
			t.Errorf("DuckDB finds %d readings, want %d", len(rows), each)
		}
	}
	for _, columns := range []string{"ts, temperature", "*"} {
		f("ClickHouse", columns, clickHouse)
		f("ClickHouse once more", columns, clickHouse)
		f("DuckDB", columns, duckDB)
	}
}

// fleetDay inserts a day of readings as a fleet sends them: devices in turn, a
// value that drifts, texts that are few, an id that is none like another.
func (s *services) fleetDay(t *testing.T, day schema.Day, devices, each int) {
	t.Helper()
	s.exec(t, fmt.Sprintf(`INSERT INTO %s (device_id, seq, ts, event_id, firmware, site, line, status, temperature, humidity, pressure,
		vibration_x, vibration_y, vibration_z, voltage, current, power, frequency, flow_rate, battery, rssi, latitude, longitude, uptime,
		error_code, door_open, _topic, _partition, _offset, _ingested_at)
		SELECT concat('device-', leftPad(toString(number %% %d AS d), 6, '0')), intDiv(number, %[2]d) AS n,
			fromUnixTimestamp64Milli(toInt64(%d + n * %d + cityHash64(number) %% 1000), 'UTC') AS t, hex(cityHash64(number, 1)),
			['3.1.0', '3.2.0', '3.2.1'][1 + d %% 3], concat('site-', toString(d %% 40)), concat('line-', toString(d %% 7)), if(cityHash64(number, 2) %% 50 = 0, 'warn', 'ok'),
			round(20 + 5 * sin(n / 50 + d) + (rand(1) %% 100) / 100, 2), round(50 + (rand(2) %% 1000) / 100, 2), round(1000 + (rand(3) %% 2000) / 100, 2),
			round((rand(4) %% 1000) / 1000, 3), round((rand(5) %% 1000) / 1000, 3), round((rand(6) %% 1000) / 1000, 3), round(230 + (rand(7) %% 100) / 10, 1),
			round((rand(8) %% 1000) / 100, 2), round((rand(9) %% 10000) / 10, 1), 50, if(d %% 3 = 0, round((rand(10) %% 1000) / 10, 1), NULL),
			100 - n %% 100, -60 - rand(11) %% 20, 47 + d / 10000, 8 + d / 10000, n * 200, if(rand(12) %% 100 = 0, rand(13) %% 10, NULL), d %% 11 = 0,
			'telemetry', d %% 8, number, t FROM numbers(%d)`,
		s.schema.Hot(s.tables), devices, day.Start().UnixMilli(), 86_000_000/each, devices*each))
}
