package loadtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strconv"
)

// misspelt appends what is nearly a reading in JSON, as encoders write it that were
// made by hand, or for something else.
func (e *encoder) misspelt(b []byte, r record) []byte {
	device, seq, ts := strconv.Quote(string(appendDevice(nil, e.prefix, r.device))), strconv.FormatUint(malformedSeq+r.nth, 10), strconv.FormatInt(r.ts, 10)
	const rest = `,"status":"ok","temperature":41.5`
	reading := func(device, seq, ts, rest string) []byte {
		return fmt.Appendf(b, `{"firmware":"3.2.1","device_id":%s,"seq":%s,"ts":%s%s}`, device, seq, ts, rest)
	}
	switch r.flaw {
	case flawBOM:
		b = append(b, "\ufeff"...) // as programs on Windows begin a text
		return reading(device, seq, ts, rest)
	case flawNaN:
		return reading(device, seq, ts, `,"temperature":NaN`)
	case flawTrailingComma:
		return reading(device, seq, ts, rest+",")
	case flawBareName:
		return reading(device, seq, ts, `,status:"ok"`)
	case flawSingleQuotes:
		return bytes.ReplaceAll(reading(device, seq, ts, rest), []byte{'"'}, []byte{'\''})
	case flawSurrogate:
		return reading(device, seq, ts, `,"site":"plant \ud83d"`) // half of an emoji
	case flawTwoObjects:
		b = append(reading(device, seq, ts, rest), ' ')
		return reading(device, seq, ts, rest)
	case flawText:
		return strconv.AppendQuote(b, string(reading(device, seq, ts, rest)[len(b):]))
	case flawSeqNegative:
		return reading(device, "-"+seq, ts, rest)
	case flawSeqFraction:
		return reading(device, seq+".5", ts, rest)
	case flawSeqOverflow:
		return reading(device, seq+"0000000000000", ts, rest)
	case flawNoDeviceName:
		return reading(`""`, seq, ts, rest)
	case flawNullDevice:
		return reading("null", seq, ts, rest)
	case flawTimeText:
		return reading(device, seq, `"yesterday at noon"`, rest)
	case flawGzip:
		return packed(b, reading(device, seq, ts, rest)[len(b):])
	case flawCBOR:
		// {"seq": ...}, as RFC 8949 has it: a map of one pair, whose name has three
		// bytes, and a number of eight.
		return append(b, 0xa1, 0x63, 's', 'e', 'q', 0x1b, 0, 0, 1, 0, 0, 0, 0, byte(r.nth))
	}
	panic(fmt.Sprintf("BUG: %v is not misspelt", r.flaw))
}

// packed appends the value as a device sends it that packs each by itself.
func packed(b, value []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(value)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("BUG: gzip into memory: %v", err))
	}
	return append(b, out.Bytes()...)
}
