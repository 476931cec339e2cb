package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// An insert as the ingest node makes it: 25 columns, one block, a token. What
// the server adds is to be small beside the engine's own work.
func BenchmarkInsert(b *testing.B) {
	for _, rows := range []int{1_000, 20_000, 100_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			client, err := ch.Dial(b.Context(), ch.Options{Address: addresses.tcp, User: user, Password: password, Compression: ch.CompressionLZ4})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = client.Close() }() // every statement was answered
			in := telemetry(rows)
			var columns []string
			for _, c := range in {
				columns = append(columns, c.Name+" "+string(c.Data.Type()))
			}
			ddl := "CREATE OR REPLACE TABLE telemetry (" + strings.Join(columns, ", ") + ") ENGINE = MergeTree ORDER BY (device, seq) SETTINGS non_replicated_deduplication_window = 1000"
			if err := client.Do(b.Context(), ch.Query{Body: ddl}); err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				err := client.Do(b.Context(), ch.Query{
					Body: in.Into("telemetry"), Input: in,
					Settings: []ch.Setting{{Key: "insert_deduplication_token", Value: fmt.Sprint(rows, n), Important: true}, ch.SettingInt("max_insert_threads", 1)},
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func telemetry(rows int) proto.Input {
	device, site, status := new(proto.ColStr), new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality()
	extra, at := new(proto.ColStr), new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
	var seq proto.ColUInt64
	for i := range rows {
		device.Append(fmt.Sprintf("device-%06d", rand.IntN(10000)))
		site.Append(fmt.Sprint("site-", rand.IntN(50)))
		status.Append([]string{"ok", "warn", "fail"}[rand.IntN(3)])
		extra.Append("")
		at.AppendRaw(proto.DateTime64(1_700_000_000_000 + i))
		seq.Append(uint64(i))
	}
	in := proto.Input{{Name: "device", Data: device}, {Name: "seq", Data: &seq}, {Name: "at", Data: at}, {Name: "site", Data: site}, {Name: "status", Data: status}, {Name: "extra", Data: extra}}
	for c := range 19 {
		col := new(proto.ColFloat64).Nullable()
		for range rows {
			col.Append(proto.NewNullable(float64(rand.IntN(1000)) / 10))
		}
		in = append(in, proto.InputColumn{Name: fmt.Sprint("reading", c), Data: col})
	}
	return in
}
