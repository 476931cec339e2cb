package schema

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// The functions here read one JSON value at v[p:], which is not empty, and
// return where it ends; or -1 where it is not plain, or not JSON. Of a number
// they read as much as is one: that a delimiter follows is the caller's to see.

// In eight bytes at once, the lowest and the highest bit of each.
const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// scanString reads a string without escapes, in valid UTF-8, quotes included.
//
// It looks at eight bytes at once, for the first that is a quote, a backslash, a
// control character or not ASCII, after Mycroft's test for a zero byte (Warren,
// Hacker's Delight, 6-1). A mark of that test can be wrong only above one that
// is right, so the lowest of them all is right.
func scanString(v []byte, p int) int {
	if v[p] != '"' {
		return -1
	}
	p++
	begin, ascii := p, true
	for p < len(v) {
		if len(v)-p >= 8 {
			w := binary.LittleEndian.Uint64(v[p:])
			quote, escape := w^'"'*lowBits, w^'\\'*lowBits
			marks := (quote-lowBits)&^quote | (escape-lowBits)&^escape | (w-' '*lowBits)&^w | w
			marks &= highBits
			if marks == 0 {
				p += 8
				continue
			}
			p += bits.TrailingZeros64(marks) / 8
		}
		switch c := v[p]; {
		case c == '"':
			if !ascii && !utf8.Valid(v[begin:p]) {
				return -1
			}
			return p + 1
		case c == '\\' || c < ' ':
			return -1
		case c >= utf8.RuneSelf:
			ascii = false
		}
		p++
	}
	return -1
}

// maxDigits is how many decimal digits are below 2^63 whatever they are.
const maxDigits = 18

// scanInteger reads an integer of at most 18 digits.
func scanInteger(v []byte, p int) (n int64, end int) {
	negative := v[p] == '-'
	if negative {
		p++
	}
	begin := p
	for p < len(v) && v[p]-'0' <= 9 {
		n = n*10 + int64(v[p]-'0')
		p++
	}
	if digits := p - begin; digits == 0 || digits > maxDigits || digits > 1 && v[begin] == '0' {
		return 0, -1
	}
	if negative {
		n = -n
	}
	return n, p
}

// scanDecimal reads a number without an exponent, of at most 18 digits, as
// mantissa / 10^scale.
func scanDecimal(v []byte, p int) (mantissa int64, scale, end int) {
	begin := p
	for p < len(v) && v[p]-'0' <= 9 {
		mantissa = mantissa*10 + int64(v[p]-'0')
		p++
	}
	digits := p - begin
	if digits == 0 || digits > 1 && v[begin] == '0' {
		return 0, 0, -1
	}
	if p < len(v) && v[p] == '.' {
		p++
		point := p
		for p < len(v) && v[p]-'0' <= 9 {
			mantissa = mantissa*10 + int64(v[p]-'0')
			p++
		}
		if scale = p - point; scale == 0 {
			return 0, 0, -1
		}
	}
	if digits+scale > maxDigits || p < len(v) && v[p]|0x20 == 'e' {
		return 0, 0, -1
	}
	return mantissa, scale, p
}

// A decimal whose mantissa and power of ten are both exact as floats has the
// nearest float as their quotient, which is rounded once (Clinger, How to Read
// Floating Point Numbers Accurately, 1990). strconv does the others.
const (
	exactFloat32 = 1 << 24
	exactFloat64 = 1 << 53
)

var (
	powers32 = [...]float32{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10}
	powers64 = [...]float64{
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
	}
)

func scanFloat32(v []byte, p int) (float32, int) {
	begin := p
	negative := v[p] == '-'
	if negative {
		p++
	}
	mantissa, scale, end := scanDecimal(v, p)
	if end < 0 || mantissa > exactFloat32 || scale >= len(powers32) {
		f, end := parseNumber(v, begin, 32)
		return float32(f), end
	}
	f := float32(mantissa) / powers32[scale]
	if negative {
		f = -f
	}
	return f, end
}

func scanFloat64(v []byte, p int) (float64, int) {
	begin := p
	negative := v[p] == '-'
	if negative {
		p++
	}
	mantissa, scale, end := scanDecimal(v, p)
	if end < 0 || mantissa > exactFloat64 {
		return parseNumber(v, begin, 64)
	}
	f := float64(mantissa) / powers64[scale]
	if negative {
		f = -f
	}
	return f, end
}

// parseNumber reads any number that a float of that size can be near to.
func parseNumber(v []byte, p, size int) (float64, int) {
	end := scanNumber(v, p)
	if end < 0 {
		return 0, -1
	}
	f, err := strconv.ParseFloat(text(v[p:end]), size)
	if err != nil {
		return 0, -1
	}
	return f, end
}

// scanNumber reads any number.
func scanNumber(v []byte, p int) int {
	digits := func() bool {
		begin := p
		for p < len(v) && v[p]-'0' <= 9 {
			p++
		}
		return p > begin
	}
	if v[p] == '-' {
		p++
	}
	begin := p
	if !digits() || v[begin] == '0' && p-begin > 1 {
		return -1
	}
	if p < len(v) && v[p] == '.' {
		if p++; !digits() {
			return -1
		}
	}
	if p < len(v) && v[p]|0x20 == 'e' {
		if p++; p < len(v) && (v[p] == '+' || v[p] == '-') {
			p++
		}
		if !digits() {
			return -1
		}
	}
	return p
}
