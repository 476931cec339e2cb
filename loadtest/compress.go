package loadtest

import (
	"encoding/binary"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// frames writes LZ4 frames as Java's Kafka client does: of independent blocks of
// 64 KiB, without checksums, for a batch of records has its own. It is used by
// one goroutine at a time.
type frames struct {
	blocks lz4.Compressor
}

const (
	blockBytes = 64 << 10
	// lz4Frame begins a frame: the magic number, version 1 with independent
	// blocks, 64 KiB a block, and the checksum of these two bytes.
	lz4Frame = "\x04\x22\x4d\x18\x60\x40\x82"
	// plain marks the size of a block that is not compressed.
	plain = 1 << 31
)

// append appends a frame with src.
func (f *frames) append(dst, src []byte) []byte {
	dst = append(dst, lz4Frame...)
	for len(src) > 0 {
		block := src[:min(blockBytes, len(src))]
		src = src[len(block):]
		head := len(dst)
		bound := lz4.CompressBlockBound(len(block))
		dst = slices.Grow(dst, 4+bound)[:head+4]
		n, err := f.blocks.CompressBlock(block, dst[head+4:head+4+bound])
		if err != nil || n == 0 || n >= len(block) { // it does not get smaller
			binary.LittleEndian.PutUint32(dst[head:], plain|uint32(len(block)))
			dst = append(dst, block...)
			continue
		}
		binary.LittleEndian.PutUint32(dst[head:], uint32(n))
		dst = dst[:head+4+n]
	}
	return append(dst, 0, 0, 0, 0)
}
