package pipeline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// A few kilobytes that unpack to gigabytes are found out before they take as much,
// with every codec there is.
func TestAnUnpackerKeepsItsBound(t *testing.T) {
	const most = 4 << 20
	u, err := newUnpacker(most)
	if err != nil {
		t.Fatal(err)
	}
	record := append(binary.AppendVarint(nil, 500), bytes.Repeat([]byte("x"), 500)...)
	batch := bytes.Repeat(record, 1000)
	nothing := bytes.Repeat([]byte{12, 0, 0, 0, 1, 1, 0}, most/recordOverhead+1)
	bomb := make([]byte, 256<<20)
	for _, codec := range []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		pack, err := kgo.DefaultCompressor(codec)
		if err != nil {
			t.Fatal(err)
		}
		unpacked := func(what string, raw []byte, want error) (out []byte) {
			t.Helper()
			packed, kind := pack.Compress(new(bytes.Buffer), raw)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out, err := u.Decompress(packed, kind)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, want) {
				t.Errorf("codec %d, %s: %v; want %v", kind, what, err, want)
			}
			// What one is unpacked into grows by doubling, and codecs have tables.
			if took := after.TotalAlloc - before.TotalAlloc; took > 8*most {
				t.Errorf("codec %d, %s: %d MiB were allocated", kind, what, took>>20)
			}
			return out
		}
		if out := unpacked("records", batch, nil); !bytes.Equal(out, batch) {
			t.Error("records came out as others")
		}
		unpacked("256 MiB of nothing", bomb, kgo.ErrMaxDecompress)
		unpacked("records of nothing", nothing, kgo.ErrMaxDecompress)
	}
}

// bombed sends to every partition, and to one of them a batch of more than may be
// unpacked, and again to all.
func (r *rig) bombed(partition int32) {
	r.t.Helper()
	r.cfg.Kafka.MaxBatchBytes = 1 << 20
	r.sendEvents(1)
	r.send(partition, strings.Repeat(" ", r.cfg.Kafka.MaxBatchBytes+1))
	r.sendEvents(1)
}

// A batch that must not be unpacked holds up its partition and nothing else, and
// whoever looks is told what to do. Nothing is lost by it.
func TestAPartitionWithABombIsParked(t *testing.T) {
	r := newRig(t)
	r.bombed(2)
	parked := make(chan Parked, 10)
	n := r.run(Events{Parked: func(p Parked) { parked <- p }})
	if p := <-parked; p.Partition != 2 || !strings.Contains(p.Err.Error(), "the batch of offsets 1 to 1 ") || !strings.Contains(p.Err.Error(), "--topic telemetry:2 --reset-offsets --to-offset 2 ") {
		t.Errorf("parked p%d: %v", p.Partition, p.Err)
	}
	r.sendEvents(1)
	r.await("commit of the others", func() bool { c := r.committed(); return c[0] == 3 && c[1] == 3 && c[3] == 3 })
	r.await("commit up to the bomb", func() bool { return r.committed()[2] == 1 })
	if err := n.stop(); err != nil {
		t.Error(err)
	}
	r.cfg.Kafka.MaxBatchBytes = 8 << 20
	stop := r.start(Events{})
	r.await("commit of all", func() bool { return r.committed()[2] == 4 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if stored, doubled := r.table.counts(); stored != 3*rigPartitions || doubled != 0 {
		t.Errorf("stored %d, doubled %d; want %d, none", stored, doubled, 3*rigPartitions)
	}
	if letter := r.deadLetters(1)[0]; headerOf(letter, HeaderReason) != string(schema.ReasonTooLarge) || headerOf(letter, HeaderPartition) != "2" {
		t.Errorf("the letter is of p%s, for %s", headerOf(letter, HeaderPartition), headerOf(letter, HeaderReason))
	}
}

// Below the head of a partition it holds up the backlog, and not what comes now.
func TestABombInAGapParksTheGap(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.Recovery, r.cfg.Kafka.FreshAfter = FreshFirst, time.Second
	r.cfg.Kafka.MaxBatchBytes = 1 << 20
	at := r.backlog(1)
	r.sendAt(at, 2, strings.Repeat(" ", r.cfg.Kafka.MaxBatchBytes+1))
	r.backlog(1)
	parked := make(chan Parked, 10)
	r.start(Events{Parked: func(p Parked) { parked <- p }})
	if p := <-parked; p.Partition != 2 {
		t.Errorf("parked p%d: %v", p.Partition, p.Err)
	}
	r.sendEvents(1)
	// Of the bomb's partition the record below it and the one that is new.
	r.awaitStored(3*rigPartitions - 1)
	r.await("commit up to the bomb", func() bool { return r.committed()[2] == 1 })
}
