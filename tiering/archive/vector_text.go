package archive

import (
	"encoding/binary"

	"github.com/ClickHouse/ch-go/proto"
)

// texts is a column of strings: bytes, and where each value lies in them.
type texts struct {
	nulls nulls
	col   *proto.ColStr
	words []uint64 // of the rows that are summed up
}

func (t *texts) sum(runs []Run, rows []uint64, key uint64) uint64 {
	t.words = grow(t.words[:0], t.col.Rows())
	var last []byte
	word := wordOf(nil)
	for _, r := range runs {
		for i := r.From; i < r.To; i++ {
			// Many columns repeat a value, and the device's does so for its rows.
			if v := t.col.RowBytes(i); string(v) != string(last) {
				last, word = v, wordOf(v)
			}
			t.words[i] = word
		}
	}
	return sumRuns(t.words, t.nulls, runs, rows, key)
}

func (t *texts) appendValue(dst []byte, row int) []byte {
	if isNull(t.nulls, row) {
		return append(dst, 0)
	}
	v := t.col.RowBytes(row)
	return append(binary.AppendUvarint(append(dst, 1), uint64(len(v))), v...)
}

func (t *texts) textBytes(run Run) int {
	if run.Len() == 0 {
		return 0
	}
	return t.col.Pos[run.To-1].End - t.col.Pos[run.From].Start
}

func (t *texts) width() int { return 0 }

func (t *texts) newChunk() chunk { return &textChunk{levels: levels{nullable: t.nulls != nil}} }

func (t *texts) appendTo(to chunk, runs []Run) {
	c := to.(*textChunk)
	for _, r := range runs {
		mask := ofRun(t.nulls, r)
		c.levels.append(r.Len(), mask)
		for i, p := range t.col.Pos[r.From:r.To] {
			if mask == nil || mask[i] == 0 {
				c.append(t.col.Buf[p.Start:p.End])
			}
		}
	}
}

// words is a column of low cardinality.
type words struct {
	col    *LowCardinality
	hashes []uint64 // of the block's dictionary
	codes  []int32  // its places in a chunk's dictionary, from 1; 0: not looked up
}

func (w *words) sum(runs []Run, rows []uint64, key uint64) (sum uint64) {
	w.hashes = w.hashes[:0]
	for i := range w.col.Dictionary.Rows() {
		w.hashes = append(w.hashes, wordOf(w.col.Dictionary.RowBytes(i)))
	}
	for _, r := range runs {
		switch keys := w.col.keys().(type) {
		case proto.ColUInt8:
			sum += sumWords(keys[r.From:r.To], w.hashes, rows, key)
		case proto.ColUInt16:
			sum += sumWords(keys[r.From:r.To], w.hashes, rows, key)
		case proto.ColUInt32:
			sum += sumWords(keys[r.From:r.To], w.hashes, rows, key)
		}
		rows = rows[r.Len():]
	}
	return sum
}

func (w *words) appendValue(dst []byte, row int) []byte {
	v := w.col.RowBytes(row)
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}

// textBytes is 0: a chunk has each value once.
func (w *words) textBytes(Run) int { return 0 }

func (w *words) width() int { return 1 }

func (w *words) newChunk() chunk { return &textChunk{words: newTextDictionary()} }

func (w *words) appendTo(to chunk, runs []Run) {
	c := to.(*textChunk)
	w.codes = grow(w.codes[:0], w.col.Dictionary.Rows())
	clear(w.codes)
	for _, r := range runs {
		c.levels.append(r.Len(), nil)
		switch keys := w.col.keys().(type) {
		case proto.ColUInt8:
			appendCodes(c, w, keys[r.From:r.To])
		case proto.ColUInt16:
			appendCodes(c, w, keys[r.From:r.To])
		case proto.ColUInt32:
			appendCodes(c, w, keys[r.From:r.To])
		}
	}
}

// appendCodes appends values by their place in the chunk's dictionary. A block's
// own may hold values that none of its rows has: the file's does not.
func appendCodes[K uint8 | uint16 | uint32](c *textChunk, w *words, keys []K) {
	at := len(c.indexes)
	c.indexes = grow(c.indexes, len(keys))
	for i, k := range keys {
		code := w.codes[k]
		if code == 0 {
			code = c.words.index(w.col.Dictionary.RowBytes(int(k))) + 1
			w.codes[k] = code
		}
		c.indexes[at+i] = code - 1
	}
}
