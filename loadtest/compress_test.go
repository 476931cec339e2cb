package loadtest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// someEvents is so many bytes of events, as a batch has them.
func someEvents(bytes int) []byte { return events(schema.JSON, int64(bytes/256+1))[:bytes] }

// events is so many of them, one after the other.
func events(encoding schema.Encoding, n int64) (text []byte) {
	c := testConfig()
	c.Encoding = encoding
	f := newFleet(c, testStart)
	for i := range n {
		text = f.append(text, f.read(f.pick(), live, testStart.UnixMilli()+i/20))
	}
	return text
}

func TestCompress(t *testing.T) {
	c := newCompressor()
	var dst bytes.Buffer
	f := func(name string, src []byte, smaller bool) {
		t.Helper()
		dst.Reset()
		out, codec := c.Compress(&dst, src)
		if codec != kgo.CodecLz4 {
			t.Errorf("%s: codec %v", name, codec)
		}
		got, err := io.ReadAll(lz4.NewReader(bytes.NewReader(out)))
		if err != nil || !bytes.Equal(got, src) {
			t.Errorf("%s: %d bytes become %d (%v)", name, len(src), len(got), err)
		}
		if compressed := len(out) < len(src); compressed != smaller {
			t.Errorf("%s: %d bytes in %d", name, len(src), len(out))
		}
	}
	noise := make([]byte, 200_000)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	f("nothing", nil, false)
	f("a byte", []byte{7}, false)
	f("an event", someEvents(480), true)
	f("a block", someEvents(blockBytes), true)
	f("a block and a byte", someEvents(blockBytes+1), true)
	f("several", someEvents(300_000), true)
	f("noise", noise, false)
	f("noise in events", append(someEvents(100_000), noise...), true)
}

// BenchmarkCompress is a batch of 10 ms of 150,000 events/s in 8 partitions.
func BenchmarkCompress(b *testing.B) {
	own := newCompressor()
	library, err := kgo.DefaultCompressor(kgo.Lz4Compression())
	if err != nil {
		b.Fatal(err)
	}
	for _, encoding := range []schema.Encoding{schema.JSON, schema.Protobuf} {
		const n = 188
		text := events(encoding, n)
		f := func(name string, c kgo.Compressor) {
			b.Run(string(encoding)+"/"+name, func(b *testing.B) {
				var dst bytes.Buffer
				size := 0
				for b.Loop() {
					dst.Reset()
					out, _ := c.Compress(&dst, text)
					size = len(out)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
				b.ReportMetric(float64(size)/n, "bytes/event")
			})
		}
		f("library", library)
		f("own", own)
	}
}
