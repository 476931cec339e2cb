package loadtest

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// batch is records of one partition on their way to Kafka, in its own format:
// a RecordBatch of version 2, whose records are compressed as one text.
type batch struct {
	partition int32
	entries   []entry
	text      []byte // of the records, one after the other
	wire      []byte // all of the batch; empty until it is sealed
	// first is the time of the first record, and last the latest of any, in
	// milliseconds.
	first, last int64
}

// entry is what has to be known of a record when Kafka has it.
type entry struct {
	record   record
	intended int64 // ns since 1970
}

// reset makes it a batch without records; its memory is kept.
func (b *batch) reset() {
	b.entries, b.text, b.wire = b.entries[:0], b.text[:0], b.wire[:0]
}

// add appends a record. A nil value is none; neither key nor value is kept.
func (b *batch) add(r record, intended time.Time, key, value []byte) {
	at := intended.UnixMilli()
	if len(b.entries) == 0 {
		b.first, b.last = at, at
	}
	b.last = max(b.last, at)

	var head [3 * binary.MaxVarintLen64]byte // attributes, time, offset and the key's length
	h := append(head[:0], 0)
	h = binary.AppendVarint(h, at-b.first)
	h = binary.AppendVarint(h, int64(len(b.entries)))
	h = binary.AppendVarint(h, int64(len(key)))
	var middle [binary.MaxVarintLen64]byte
	length := int64(len(value))
	if value == nil {
		length = -1
	}
	m := binary.AppendVarint(middle[:0], length)

	b.text = binary.AppendVarint(b.text, int64(len(h)+len(key)+len(m)+len(value)+1))
	b.text = append(b.text, h...)
	b.text = append(b.text, key...)
	b.text = append(b.text, m...)
	b.text = append(b.text, value...)
	b.text = append(b.text, 0) // no headers
	b.entries = append(b.entries, entry{r, intended.UnixNano()})
}

// producerID is what Kafka knows a producer by, so that a batch which is sent
// again is not stored again.
type producerID struct {
	id    int64
	epoch int16
}

// Where the fields of a batch are that are not simply written in order.
const (
	lengthAt  = 8  // of what follows the length itself
	crcAt     = 17 // of what follows it
	headBytes = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal makes the batch ready for the wire. Sequence is the number of its first
// record among those of the producer in the partition.
func (b *batch) seal(z *frames, as producerID, sequence int32) {
	const lz4 = 3
	be := binary.BigEndian
	w := append(b.wire[:0], make([]byte, crcAt+4)...)
	w[lengthAt+8] = 2                                // magic; a base offset of 0 before the length
	be.PutUint32(w[lengthAt+4:], ^uint32(0))         // the leader's epoch is the broker's to write
	w = be.AppendUint16(w, lz4)                      // attributes
	w = be.AppendUint32(w, uint32(len(b.entries)-1)) // offset of the last record
	w = be.AppendUint64(w, uint64(b.first))
	w = be.AppendUint64(w, uint64(b.last))
	w = be.AppendUint64(w, uint64(as.id))
	w = be.AppendUint16(w, uint16(as.epoch))
	w = be.AppendUint32(w, uint32(sequence))
	w = be.AppendUint32(w, uint32(len(b.entries)))
	if len(w) != headBytes {
		panic("BUG: the head of a batch has not its length")
	}
	w = z.append(w, b.text)
	be.PutUint32(w[lengthAt:], uint32(len(w)-lengthAt-4))
	be.PutUint32(w[crcAt:], crc32.Checksum(w[crcAt+4:], castagnoli))
	b.wire = w
}
