package loadtest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// someEvents is a text of so many bytes, as a batch has it.
func someEvents(bytes int) []byte {
	f := newFleet(testConfig(), testStart)
	var text []byte
	for n := int64(0); len(text) < bytes; n++ {
		text = f.append(text, f.read(f.pick(), live, testStart.UnixMilli()+n/20))
	}
	return text[:bytes]
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
	text := someEvents(90_000)
	events := float64(bytes.Count(text, []byte(`{"device_id"`)))
	f := func(name string, compress func(dst *bytes.Buffer) []byte) {
		b.Run(name, func(b *testing.B) {
			var dst bytes.Buffer
			size := 0
			for b.Loop() {
				dst.Reset()
				size = len(compress(&dst))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
			b.ReportMetric(float64(size)/events, "bytes/event")
		})
	}
	own := newCompressor()
	library, err := kgo.DefaultCompressor(kgo.Lz4Compression())
	if err != nil {
		b.Fatal(err)
	}
	f("library", func(dst *bytes.Buffer) []byte { out, _ := library.Compress(dst, text); return out })
	f("own", func(dst *bytes.Buffer) []byte { out, _ := own.Compress(dst, text); return out })
}
