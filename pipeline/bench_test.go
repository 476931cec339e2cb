package pipeline

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/dedup"
)

// benchRecords are 100,000 events of about 500 bytes, of 1,000 devices in one
// partition.
func benchRecords() (records []*kgo.Record, bytes int) {
	now := time.Now()
	for i := range 100_000 {
		value := fmt.Appendf(nil, `{"device_id":"press-%06d","seq":%d,"ts":%d,"event_id":"01JD%022d","firmware":"4.2.%d","site":"plant-%02d","line":"line-%d","status":"ok",`+
			`"temperature":%.2f,"humidity":48.20,"pressure":101.325,"vibration_x":1.18,"vibration_y":0.97,"vibration_z":2.41,"voltage":399.80,"current":12.55,`+
			`"power":8123.5,"frequency":49.98,"flow_rate":12.25,"battery":97,"rssi":-61,"latitude":48.137154,"longitude":11.576124,"uptime":%d,"error_code":null,"door_open":false}`,
			i%1000, i/1000, now.UnixMilli(), i, i%3, i%20, i%8, 40+float64(i%900)/100, 86400+i)
		bytes += len(value)
		records = append(records, &kgo.Record{Topic: "telemetry", Offset: int64(i), Timestamp: now, Value: value})
	}
	return records, bytes
}

// BenchmarkLane is 100,000 events of one partition per op, from the record to the
// batch that accounts for it, with one decoder and with two. The ns/event are
// those of a clock, and need two idle cores to show what the second decoder is
// good for; cpu-ns/event show what it costs.
func BenchmarkLane(b *testing.B) {
	records, bytes := benchRecords()
	for _, decoders := range []int{1, 2} {
		b.Run(fmt.Sprint("decoders=", decoders), func(b *testing.B) {
			w := newWorkshop(decoders, 0)
			defer w.end()
			w.lane.cfg.Batch.Rows = 50_000
			w.store = func(*batch) {}
			fresh := w.lane.tenants[0].window
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer() // the same events again would be resends
				*fresh = *dedup.NewWindow(time.Hour, dedup.Sequences)
				w.lane.tenants[0].next = 0
				before := cpuTime(b)
				b.StartTimer()
				w.decode(records)
				b.StopTimer()
				cpu += cpuTime(b) - before
				b.StartTimer()
			}
			events := float64(b.N * len(records))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/events, "ns/event")
			b.ReportMetric(float64(cpu.Nanoseconds())/events, "cpu-ns/event")
		})
	}
}

// cpuTime is what the process has used of all cores.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
