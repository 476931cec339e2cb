package pipeline

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// FuzzUnpack: no batch unpacks to more than the bound, whatever codec it claims.
func FuzzUnpack(f *testing.F) {
	const most = 1 << 20
	for _, codec := range []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		pack, err := kgo.DefaultCompressor(codec)
		if err != nil {
			f.Fatal(err)
		}
		packed, kind := pack.Compress(new(bytes.Buffer), bytes.Repeat([]byte("{\"device_id\":1}"), 100))
		f.Add(packed, int8(kind))
	}
	f.Add([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xff"), int8(2))
	u, err := newUnpacker(most, new(recycler))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packed []byte, codec int8) {
		if len(packed) > most {
			return
		}
		out, err := u.Decompress(packed, kgo.CompressionCodecType(codec))
		if err == nil && len(out) > most {
			t.Fatalf("%d bytes of %d", len(out), len(packed))
		}
	})
}

// FuzzLetter: a record of the dead-letter topic is a letter, or none; and a letter
// has the coordinates that it says.
func FuzzLetter(f *testing.F) {
	f.Add("telemetry", "3", "41", "", "2026-11-23T12:00:00.000Z", "", HeaderOffset, "x")
	f.Add("telemetry", "-1", "9223372036854775807", "65535", "0000-01-01T00:00:00.000Z", "9", HeaderReason, "time")
	f.Fuzz(func(t *testing.T, topic, partition, offset, index, at, cut, key, value string) {
		headers := []kgo.RecordHeader{header(HeaderReason, "malformed"), header(HeaderError, value), header(HeaderTopic, topic), header(HeaderPartition, partition),
			header(HeaderOffset, offset), header(HeaderIndex, index), header(HeaderTimestamp, at), header(HeaderSchema, "telemetry/1"), header(HeaderTruncated, cut), header(key, value)}
		letter, err := ParseLetter(&kgo.Record{Topic: "telemetry.dead", Value: []byte(value), Headers: headers, Timestamp: time.Now()})
		if err != nil {
			return
		}
		if p, err := strconv.Atoi(partition); err != nil || int(letter.Record.Partition) != p || letter.Record.Topic != topic || letter.Index < wholeRecord || letter.Index > 1<<16 {
			t.Fatalf("%+v of partition %s", letter, partition)
		}
		letter.origin()
		letter.arrival()
		letter.Device(schema.Telemetry(), schema.JSON)
	})
}

// FuzzTraceparent: what a record's header says of a trace is taken or not, and kept
// to its length.
func FuzzTraceparent(f *testing.F) {
	f.Add([]byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
	f.Add([]byte("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0f"))
	f.Fuzz(func(t *testing.T, value []byte) {
		var w way
		w.add([]*kgo.Record{{Headers: []kgo.RecordHeader{{Key: "traceparent", Value: value}}}}, time.Now())
		if len(w.traces) > 0 && len(w.traces[0]) != 55 {
			t.Fatalf("took %q", w.traces)
		}
	})
}
