package schema_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"penstock/schema"

	"github.com/ClickHouse/ch-go/proto"
)

// benchRows is how many events a block of the benchmarks holds, of 1,000
// devices.
const benchRows = 10_000

// telemetryRecords returns events of the shipped schema of about 500 bytes.
func telemetryRecords(b *testing.B) []schema.Record {
	b.Helper()
	records := make([]schema.Record, benchRows)
	size := 0
	for i := range records {
		value := fmt.Appendf(nil, `{"device_id":"press-%06d","seq":%d,"ts":%d,"event_id":"01JD%022d","firmware":"4.2.%d","site":"plant-%02d","line":"line-%d","status":"ok",`+
			`"temperature":%.2f,"humidity":48.20,"pressure":101.325,"vibration_x":1.18,"vibration_y":0.97,"vibration_z":2.41,"voltage":399.80,"current":12.55,`+
			`"power":8123.5,"frequency":49.98,"flow_rate":12.25,"battery":97,"rssi":-61,"latitude":48.137154,"longitude":11.576124,"uptime":%d,"error_code":null,"door_open":false}`,
			i%1000, i/1000, noon+i, i, i%3, i%20, i%8, 40+float64(i%900)/100, 86400+i)
		size += len(value)
		records[i] = schema.Record{Topic: "telemetry", Partition: int32(i % 8), Offset: int64(i / 8), Time: noon + int64(i), Value: value}
	}
	if mean := size / len(records); mean < 450 || mean > 550 {
		b.Fatalf("events have %d bytes; the benchmark is about 500", mean)
	}
	return records
}

// BenchmarkDecodeJSON is one event per op: as predicted, and read by the full
// parser because one value has an escape.
func BenchmarkDecodeJSON(b *testing.B) {
	records := telemetryRecords(b)
	b.Run("predicted", func(b *testing.B) { decodeAll(b, schema.JSON, records) })
	for i := range records {
		records[i].Value = bytes.Replace(records[i].Value, []byte(`"status":"ok"`), []byte(`"status":"\u006fk"`), 1)
	}
	b.Run("parsed", func(b *testing.B) { decodeAll(b, schema.JSON, records) })
}

func decodeAll(b *testing.B, e schema.Encoding, records []schema.Record) {
	s := schema.Telemetry()
	d, block := schema.NewDecoder(s, e, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
	b.SetBytes(int64(len(records[0].Value)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(records) == 0 {
			block.Reset()
		}
		if _, err := d.Decode(records[i%len(records)], block); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend is 10,000 events per op, from one block to another in runs of
// 100: what an aide's work costs its lane.
func BenchmarkAppend(b *testing.B) {
	s := schema.Telemetry()
	d, from, to := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s), schema.NewBlock(s)
	for _, r := range telemetryRecords(b) {
		if _, err := d.Decode(r, from); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(from.Bytes()))
	b.ReportAllocs()
	for b.Loop() {
		to.Reset()
		for lo := 0; lo < benchRows; lo += 100 {
			to.Append(from, lo, lo+100)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRows), "ns/event")
}

// BenchmarkEncode is one block of 10,000 events per op, both ways.
func BenchmarkEncode(b *testing.B) {
	s := schema.Telemetry()
	d, block := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
	for _, r := range telemetryRecords(b) {
		if _, err := d.Decode(r, block); err != nil {
			b.Fatal(err)
		}
	}
	head := proto.Block{Columns: len(block.Input()), Rows: block.Rows()}
	perEvent := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRows), "ns/event")
	}
	b.Run("EncodeColumn", func(b *testing.B) {
		var buf proto.Buffer
		b.SetBytes(int64(block.Bytes()))
		b.ReportAllocs()
		for b.Loop() {
			buf.Reset()
			if err := head.EncodeBlock(&buf, proto.Version, block.Input()); err != nil {
				b.Fatal(err)
			}
		}
		perEvent(b)
	})
	b.Run("WriteColumn", func(b *testing.B) {
		w := proto.NewWriter(io.Discard, new(proto.Buffer))
		b.SetBytes(int64(block.Bytes()))
		b.ReportAllocs()
		for b.Loop() {
			if err := head.WriteBlock(w, proto.Version, block.Input()); err != nil {
				b.Fatal(err)
			}
			if _, err := w.Flush(); err != nil {
				b.Fatal(err)
			}
		}
		perEvent(b)
	})
}
