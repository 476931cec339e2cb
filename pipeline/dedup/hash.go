package dedup

import (
	"math/bits"
	"math/rand/v2"
)

// seed is drawn anew by each process: nobody can name devices, numbers or
// identities that a table has to look for one after the other. Odd, so that to
// multiply by one of them loses nothing.
var seed = [3]uint64{rand.Uint64() | 1, rand.Uint64() | 1, rand.Uint64() | 1}

// fold multiplies to 128 bits and folds those, as wyhash does
// (github.com/wangyi-fudan/wyhash).
func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// hash is as good as random in all its bits. Folded once, the consecutive
// blocks of a device would be an arithmetic progression, and with some seeds
// crowd. Why not hash/maphash? It takes 9 ns, this 3.
func (k blockKey) hash() uint64 {
	return fold(fold(k.device^seed[0], k.number^seed[1]), seed[2])
}

// scatter tells fingerprints apart as well as they do themselves, and has upper
// bits that who chose them cannot foresee. 0 stays 0.
func scatter(fingerprint uint64) uint64 { return fingerprint * seed[0] }
