package pipeline

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// unpacker unpacks batches for a Kafka client, up to a bound on what one takes in
// memory: of a few kilobytes a producer can make gigabytes, and as many records
// of nothing. What is beyond is an error that names the batch, see fateOfPoll.
type unpacker struct {
	kgo.Decompressor     // which allocates no more than most
	most             int // bytes
}

// newUnpacker returns an unpacker that takes its memory from the pools.
func newUnpacker(most int, pools ...kgo.Pool) (*unpacker, error) {
	// The client's own keeps the bound with every codec, and is to be had from a
	// client alone. This one is never told of a broker that is there.
	client, err := kgo.NewClient(kgo.MaxDecompressBatchBytes(most), kgo.WithPools(pools...))
	if err != nil {
		return nil, fmt.Errorf("kafka.max_batch_bytes of %d: %w", most, err)
	}
	defer client.Close()
	own, ok := client.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
	if !ok {
		panic("BUG: a Kafka client without a decompressor")
	}
	return &unpacker{own, most}, nil
}

// recordLeast is the size of a record of nothing.
const recordLeast = 7 // bytes

// Decompress implements [kgo.Decompressor].
func (u *unpacker) Decompress(packed []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	out, err := u.Decompressor.Decompress(packed, codec)
	if err != nil || len(out)+len(out)/recordLeast*recordOverhead <= u.most {
		return out, err
	}
	if held := len(out) + recordsIn(out)*recordOverhead; held > u.most {
		return nil, fmt.Errorf("%w: its records take %d bytes", kgo.ErrMaxDecompress, held)
	}
	return out, nil
}

// recordsIn counts the records of a batch; each begins with its length.
func recordsIn(batch []byte) (n int) {
	for len(batch) > 0 {
		size, head := binary.Varint(batch)
		if head <= 0 || size < 0 || size > int64(len(batch)-head) {
			return n // what follows is nobody's: the client says so
		}
		batch = batch[head+int(size):]
		n++
	}
	return n
}
