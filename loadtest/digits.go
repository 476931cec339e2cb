package loadtest

import "strconv"

// Numbers are two thirds of the text of an event. They are written two digits at
// a time, out of tables: strconv takes twice as long for short ones.

// pairs are the numbers from 00 to 99.
var pairs = func() (p [200]byte) {
	for i := range 100 {
		p[2*i], p[2*i+1] = '0'+byte(i/10), '0'+byte(i%10)
	}
	return p
}()

// hexPairs are the numbers from 00 to ff.
var hexPairs = func() (p [512]byte) {
	const digits = "0123456789abcdef"
	for i := range 256 {
		p[2*i], p[2*i+1] = digits[i>>4], digits[i&15]
	}
	return p
}()

// appendUint appends v in decimal.
func appendUint(b []byte, v uint64) []byte {
	switch {
	case v < 10:
		return append(b, '0'+byte(v))
	case v < 100:
		return append(b, pairs[2*v], pairs[2*v+1])
	case v < 1_000:
		low := 2 * (v % 100)
		return append(b, '0'+byte(v/100), pairs[low], pairs[low+1])
	case v < 10_000:
		high, low := 2*(v/100), 2*(v%100)
		return append(b, pairs[high], pairs[high+1], pairs[low], pairs[low+1])
	}
	return strconv.AppendUint(b, v, 10)
}

// appendHundredths appends v/100 with two decimals; v is not negative.
func appendHundredths(b []byte, v int64) []byte {
	low := 2 * (uint64(v) % 100)
	return append(appendUint(b, uint64(v)/100), '.', pairs[low], pairs[low+1])
}

// appendMillionths appends v/1,000,000 with six decimals; v is not negative.
func appendMillionths(b []byte, v int64) []byte {
	u := uint64(v)
	high, middle, low := 2*(u/10_000%100), 2*(u/100%100), 2*(u%100)
	return append(appendUint(b, u/1_000_000), '.', pairs[high], pairs[high+1], pairs[middle], pairs[middle+1], pairs[low], pairs[low+1])
}

// appendHex appends all sixteen digits of v.
func appendHex(b []byte, v uint64) []byte {
	for shift := 56; shift >= 0; shift -= 8 {
		i := 2 * (v >> shift & 255)
		b = append(b, hexPairs[i], hexPairs[i+1])
	}
	return b
}
