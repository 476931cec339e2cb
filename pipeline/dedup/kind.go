package dedup

import "penstock/schema"

// Kind is how a window keeps identities.
type Kind int

const (
	// Sequences keeps a bit for each sequence number of a device.
	Sequences Kind = iota
	// Fingerprints keeps the 64 bits of an identity of one field.
	Fingerprints
)

// KindOf returns the kind of window for events of s.
func KindOf(s *schema.Schema) Kind {
	if len(s.Identity) == 2 {
		return Sequences
	}
	return Fingerprints
}

// Bytes returns about what one block, or one fingerprint, takes at most.
func (k Kind) Bytes() int {
	if k == Sequences {
		return sequencesBytes
	}
	return fingerprintBytes
}

func (k Kind) generations() generations {
	if k == Sequences {
		return newSequences()
	}
	return newFingerprints()
}

// BlockNumbers is how many sequence numbers a block holds.
const BlockNumbers = 512

// Block is identities of one partition that are stored, for [Window.Restore].
type Block struct {
	// Device and Number say which sequence numbers these are, Number*512 and
	// those after it. Of a window of fingerprints Number is a fingerprint, and
	// of the rest only At counts.
	Device, Number uint64
	// Bits has a bit for each number that is stored: bit 0 of the first word is
	// the first number.
	Bits [BlockNumbers / 64]uint64
	// First and Last are the least and the greatest event time of the readings,
	// in Unix milliseconds.
	First, Last int64
	// At is the newest record time of them, in Unix milliseconds.
	At int64
}
