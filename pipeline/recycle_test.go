package pipeline

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The Kafka client clears all of what it gives back: what a large fetch leaves is
// not for small ones.
func TestASmallFetchGetsNoLargeMemory(t *testing.T) {
	r := new(recycler)
	for range 64 {
		r.PutDecompressBytes(make([]byte, 4<<20))
		r.PutRecords(make([]kgo.Record, 10_000))
		if got := cap(r.GetDecompressBytes(make([]byte, 1<<10), kgo.CodecLz4)); got < unpacked<<10 || got > 64<<10 {
			t.Fatalf("1 KiB unpacks to memory of %d bytes", got)
		}
		if got := cap(r.GetRecords(10)); got < 10 || got > 100 {
			t.Fatalf("10 records get memory for %d", got)
		}
	}
}

// The memory of a fetch is used for the next that is like it, whatever it
// unpacked to.
func TestAFetchGetsTheMemoryOfOneAlike(t *testing.T) {
	f := func(name string, left, compressed int) {
		t.Helper()
		r, again := new(recycler), 0
		for range 100 {
			b := make([]byte, left)
			b[0] = 1
			r.PutDecompressBytes(b)
			if got := r.GetDecompressBytes(make([]byte, compressed), kgo.CodecLz4); got[:1][0] == 1 {
				again++
			}
		}
		if again < 50 { // a sync.Pool may lose some, and does so under the race detector
			t.Errorf("%s: used %d of 100 times", name, again)
		}
	}
	f("it unpacked as was guessed", unpacked*1000, 1000)
	f("it was a little smaller", unpacked*900, 1000)
	f("it was packed four times as well as was guessed", 4*unpacked*1000, 1000)
}
