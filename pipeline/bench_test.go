package pipeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/dedup"
	"penstock/schema"
)

// BenchmarkLaneDecode is one event of about 500 bytes per op, from the record
// to the batch that accounts for it, through the window of a node of 1,000
// devices a lane.
func BenchmarkLaneDecode(b *testing.B) {
	cfg := Default()
	cfg.Lanes = 2
	owned := &ownership{}
	owned.take(0, "")
	l := newLane(0, cfg, schema.Telemetry(), "run", owned, Events{}.ensure(), func(int, bool) {})
	l.tenants[0] = &tenant{epoch: owned.epoch(0), window: dedup.NewWindow(cfg.Dedup.Window, dedup.Sequences)}
	now := time.Now()
	records := make([]*kgo.Record, 100_000)
	bytes := 0
	for i := range records {
		value := fmt.Appendf(nil, `{"device_id":"press-%06d","seq":%d,"ts":%d,"event_id":"01JD%022d","firmware":"4.2.%d","site":"plant-%02d","line":"line-%d","status":"ok",`+
			`"temperature":%.2f,"humidity":48.20,"pressure":101.325,"vibration_x":1.18,"vibration_y":0.97,"vibration_z":2.41,"voltage":399.80,"current":12.55,`+
			`"power":8123.5,"frequency":49.98,"flow_rate":12.25,"battery":97,"rssi":-61,"latitude":48.137154,"longitude":11.576124,"uptime":%d,"error_code":null,"door_open":false}`,
			i%1000, i/1000, now.UnixMilli(), i, i%3, i%20, i%8, 40+float64(i%900)/100, 86400+i)
		bytes += len(value)
		records[i] = &kgo.Record{Topic: "telemetry", Offset: int64(i), Timestamp: now, Value: value}
	}
	b.SetBytes(int64(bytes / len(records)))
	b.ReportAllocs()
	for left := b.N; left > 0; {
		l.work = chunk{epoch: owned.epoch(0), records: records[:min(left, len(records))]}
		left -= len(l.work.records)
		for len(l.work.records) > 0 {
			if l.open == nil {
				l.open = <-l.free
			}
			l.decode()
			for len(l.full) > 0 { // stored
				sealed := <-l.full
				sealed.reset()
				l.free <- sealed
			}
		}
		b.StopTimer() // the same events again would be resends
		l.tenants[0] = &tenant{epoch: owned.epoch(0), window: dedup.NewWindow(cfg.Dedup.Window, dedup.Sequences)}
		b.StartTimer()
	}
}
