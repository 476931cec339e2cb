package dedup

import "penstock/schema"

// fingerprintBytes is about what a fingerprint takes in its map.
const fingerprintBytes = 40

// fingerprints is a generation of identities of one field. An identity is
// unique whatever its time, so times do not count.
type fingerprints map[uint64]struct{}

func (f fingerprints) len() int { return len(f) }

// has implements generation.
func (f fingerprints) has(id schema.Identity, _ int64) bool {
	_, ok := f[id.Seq]
	return ok
}

// add implements generation.
func (f fingerprints) add(id schema.Identity, _ int64) bool {
	known := len(f)
	f[id.Seq] = struct{}{}
	return len(f) > known
}

// restore implements generation.
func (f fingerprints) restore(b Block) { f[b.Number] = struct{}{} }
