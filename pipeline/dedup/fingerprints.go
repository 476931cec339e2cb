package dedup

import "penstock/schema"

// fingerprintBytes is about what a fingerprint takes at most: 21 when its table
// has just grown, and 32 while it does.
const fingerprintBytes = 34

// fingerprints are two generations of identities of one field. An identity is
// unique whatever its time, so times do not count.
type fingerprints struct{ now, before *hashes }

// hashes is a generation of fingerprints.
type hashes struct {
	table      // of the fingerprints scattered, but for 0, which is no word
	zero  bool // 0 is one of them
}

func newFingerprints() *fingerprints {
	return &fingerprints{now: newHashes(), before: newHashes()}
}

func newHashes() *hashes { return &hashes{table: newTable()} }

func (h *hashes) knows(scattered uint64) bool {
	if scattered == 0 {
		return h.zero
	}
	return h.has(scattered)
}

// add remembers a fingerprint that is not known.
func (h *hashes) add(scattered uint64) {
	if scattered == 0 {
		h.zero = true
		return
	}
	h.insert(scattered)
}

func (h *hashes) len() int {
	if h.zero {
		return h.table.held + 1
	}
	return h.table.held
}

// seen implements generations.
func (f *fingerprints) seen(id schema.Identity, event int64) bool {
	if f.has(id, event) {
		return true
	}
	f.now.add(scatter(id.Seq))
	return false
}

// has implements generations.
func (f *fingerprints) has(id schema.Identity, _ int64) bool {
	h := scatter(id.Seq)
	return f.before.knows(h) || f.now.knows(h)
}

// turn implements generations.
func (f *fingerprints) turn() { f.before, f.now = f.now, newHashes() }

// restore implements generations.
func (f *fingerprints) restore(b Block) {
	if h := scatter(b.Number); !f.before.knows(h) {
		f.before.add(h)
	}
}

// held implements generations.
func (f *fingerprints) held() (now, before int) { return f.now.len(), f.before.len() }
