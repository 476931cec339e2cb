package pipeline

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkUnpack is what the memory of a small fetch costs beside that of others:
// the Kafka client clears all of it before it gives it back.
func BenchmarkUnpack(b *testing.B) {
	small, large := make([]byte, 4<<10), make([]byte, 1<<20)
	for name, beside := range map[string][]byte{"alike": small, "large": large} {
		b.Run("beside="+name, func(b *testing.B) {
			r := new(recycler)
			for range 16 {
				r.PutDecompressBytes(make([]byte, unpacked*len(beside)))
			}
			b.ReportAllocs()
			for b.Loop() {
				buf := r.GetDecompressBytes(small, kgo.CodecLz4)
				buf = buf[:cap(buf)]
				clear(buf)
				r.PutDecompressBytes(buf)
			}
		})
	}
}
