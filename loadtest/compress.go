package loadtest

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// compressor writes LZ4 frames as Java's Kafka client does: of independent
// blocks of 64 KiB, without checksums, for a batch of records has its own.
//
// The Kafka client's own compressor copies each batch into blocks of 4 MiB,
// which the garbage collector takes back as often as it runs, and adds up a
// checksum nobody asks for.
type compressor struct {
	free sync.Pool // *lz4.Compressor, whose table is 128 KiB
}

func newCompressor() *compressor {
	return &compressor{free: sync.Pool{New: func() any { return new(lz4.Compressor) }}}
}

const (
	blockBytes = 64 << 10
	// lz4Frame begins a frame: the magic number, version 1 with independent
	// blocks, 64 KiB a block, and the checksum of these two bytes.
	lz4Frame = "\x04\x22\x4d\x18\x60\x40\x82"
	// plain marks the size of a block that is not compressed.
	plain = 1 << 31
)

// Compress implements [kgo.Compressor].
func (c *compressor) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	z := c.free.Get().(*lz4.Compressor)
	defer c.free.Put(z)
	blocks := (len(src) + blockBytes - 1) / blockBytes
	dst.Grow(len(lz4Frame) + blocks*(4+lz4.CompressBlockBound(blockBytes)) + 4)
	out := append(dst.AvailableBuffer(), lz4Frame...)
	for len(src) > 0 {
		block := src[:min(blockBytes, len(src))]
		src = src[len(block):]
		head := len(out)
		out = append(out, 0, 0, 0, 0)
		n, err := z.CompressBlock(block, out[len(out):len(out)+lz4.CompressBlockBound(len(block))])
		if err != nil || n == 0 || n >= len(block) { // it does not get smaller
			binary.LittleEndian.PutUint32(out[head:], plain|uint32(len(block)))
			out = append(out, block...)
			continue
		}
		binary.LittleEndian.PutUint32(out[head:], uint32(n))
		out = out[:len(out)+n]
	}
	return append(out, 0, 0, 0, 0), kgo.CodecLz4
}
