package archive_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/archive/archivetest"
)

// sensor returns a block of the shipped schema as a day has it: sorted by
// device and time, low-cardinality texts, readings that drift.
func sensor(rows int) *archive.Block {
	r := rand.New(rand.NewPCG(1, 2))
	s := schema.Telemetry()
	b := archive.NewBlock(s)
	for i := range rows {
		var values []any
		for _, c := range s.Columns() {
			var v any
			switch c.Type {
			case schema.String:
				v = fmt.Sprint(c.Name, r.IntN(4))
			case schema.Bool:
				v = r.IntN(9) == 0
			case schema.TimestampMS:
				v = int64(1_790_000_000_000 + i*1000 + r.IntN(20))
			case schema.Int16:
				v = int16(-60 - r.IntN(20))
			case schema.Int32:
				v = int32(i % 8)
			case schema.Int64, schema.UInt64:
				v = any(int64(i))
				if c.Type == schema.UInt64 {
					v = uint64(i)
				}
			case schema.UInt8:
				v = uint8(r.IntN(100))
			case schema.UInt16:
				v = uint16(r.IntN(3))
			case schema.UInt32:
				v = uint32(i)
			case schema.Float32:
				v = float32(r.IntN(2000)) / 100
			case schema.Float64:
				v = 52.5
			}
			switch {
			case c.Name == s.Device:
				v = fmt.Sprintf("device-%06d", i/300)
			case c.Name == "event_id":
				v = fmt.Sprintf("%016x", r.Uint64())
			case c.Nullable && r.IntN(20) == 0:
				v = nil
			}
			values = append(values, v)
		}
		archivetest.Append(b, values...)
	}
	return b
}

// cpu returns a function that reports the CPU time a row since cpu was called,
// of the whole process: on a machine that others use too, time on the clock says
// how busy they are.
func cpu(b *testing.B, rows int) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() {
		took := used() - before
		b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*rows), "cpu-ns/row")
		b.ReportMetric(float64(b.N*rows)/took.Seconds(), "rows/cpu-s")
	}
}

func BenchmarkWrite(b *testing.B) {
	const rows = 65_536
	block, s := sensor(rows), schema.Telemetry()
	w := archive.NewWriter(io.Discard, s, 250_000)
	report := cpu(b, rows)
	for b.Loop() {
		writeAll(b, w, block, []archive.Run{{From: 0, To: rows}})
	}
	if _, err := w.Close(); err != nil {
		b.Fatal(err)
	}
	report()
}

func BenchmarkSums(b *testing.B) {
	const rows = 65_536
	block := sensor(rows)
	report := cpu(b, rows)
	for b.Loop() {
		block.Sums([]archive.Run{{From: 0, To: rows}})
	}
	report()
}

func BenchmarkRead(b *testing.B) {
	const rows = 65_536
	block, s := sensor(rows), schema.Telemetry()
	var buf bytes.Buffer
	w := archive.NewWriter(&buf, s, 250_000)
	writeAll(b, w, block, []archive.Run{{From: 0, To: rows}})
	if _, err := w.Close(); err != nil {
		b.Fatal(err)
	}
	report := cpu(b, rows)
	for b.Loop() {
		if _, err := archive.Read(bytes.NewReader(buf.Bytes()), int64(buf.Len()), s.Columns()); err != nil {
			b.Fatal(err)
		}
	}
	report()
	b.ReportMetric(float64(buf.Len())/rows, "bytes/row")
}
