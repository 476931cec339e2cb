package loadtest

import (
	"bytes"
	"strconv"

	"penstock/schema"
)

// flaw is a way in which a record can be malformed: every one of them has to be
// rejected.
type flaw uint8

const (
	flawTruncated flaw = iota
	flawNotObject
	flawNoDevice
	flawNoSeq
	flawNoTime
	flawSeqType
	flawTime1970
	flawTimeAhead
	flawUTF8
	flawDuplicateKey
	flawNull
	flawNesting
	flawOversize
	flawEnd
)

// flaws says of each flaw how it is called and why the schema rejects it.
var flaws = [flawEnd]struct {
	name   string
	reason schema.Reason
}{
	flawTruncated:    {"truncated", schema.ReasonMalformed},
	flawNotObject:    {"not_an_object", schema.ReasonNotObject},
	flawNoDevice:     {"no_device_id", schema.ReasonMissing},
	flawNoSeq:        {"no_seq", schema.ReasonMissing},
	flawNoTime:       {"no_ts", schema.ReasonMissing},
	flawSeqType:      {"seq_of_wrong_type", schema.ReasonType},
	flawTime1970:     {"ts_in_1970", schema.ReasonTime},
	flawTimeAhead:    {"ts_ten_years_ahead", schema.ReasonTime},
	flawUTF8:         {"invalid_utf8", schema.ReasonMalformed},
	flawDuplicateKey: {"duplicate_key", schema.ReasonMalformed},
	flawNull:         {"null_value", schema.ReasonEmpty},
	flawNesting:      {"nested_10000_deep", schema.ReasonNesting},
	flawOversize:     {"2_mib_record", schema.ReasonTooLarge},
}

func (f flaw) String() string { return flaws[f].name }

const (
	// malformedSeq is the first seq of malformed records. No reading has one as
	// high, so that a malformed record stored by mistake shows as unexpected
	// instead of standing in for a reading.
	malformedSeq = 1 << 40
	// oversizeEvery is one in how many malformed records is a large one: the
	// bound is proven by a few, and 2 MiB each would drown the load.
	oversizeEvery = 64
	oversizeBytes = 2 << 20
	nestingDepth  = 10_000
)

// nthFlaw is the flaw of the n-th malformed record. They take turns, so that
// a run of a few dozen has every one.
func nthFlaw(n uint64) flaw {
	if n%oversizeEvery == uint64(flawOversize) {
		return flawOversize
	}
	return flaw(n % uint64(flawOversize))
}

// malformed appends the n-th malformed record, sent at ts. It returns nil for
// a record without a value.
func (e *encoder) malformed(b []byte, n uint64, device uint32, ts int64) []byte {
	f := nthFlaw(n)
	deviceID := appendDevice(nil, e.prefix, device)
	head := func(withDevice, withSeq, withTime bool) {
		b = append(b, `{"firmware":"3.2.1"`...)
		if withDevice {
			b = append(b, `,"device_id":"`...)
			b = append(b, deviceID...)
			b = append(b, '"')
		}
		if withSeq {
			b = append(b, `,"seq":`...)
			b = strconv.AppendUint(b, malformedSeq+n, 10)
		}
		if withTime {
			b = append(b, `,"ts":`...)
			b = strconv.AppendInt(b, ts, 10)
		}
	}
	const tail = `,"status":"ok","temperature":41.5}`
	switch f {
	case flawTruncated:
		head(true, true, true)
		return append(b, `,"status":"ok","temperature":4`...)
	case flawNotObject:
		b = append(b, '[')
		head(true, true, true)
		return append(append(b, tail...), ']')
	case flawNoDevice:
		head(false, true, true)
	case flawNoSeq:
		head(true, false, true)
	case flawNoTime:
		head(true, true, false)
	case flawSeqType:
		head(true, false, true)
		b = append(b, `,"seq":"seven"`...)
	case flawTime1970:
		head(true, true, false)
		b = append(b, `,"ts":86400000`...)
	case flawTimeAhead:
		const tenYears = 3653 * 24 * 3600 * 1000
		ts += tenYears
		head(true, true, true)
	case flawUTF8:
		head(true, true, true)
		b = append(b, ",\"site\":\"plant-\xff\xfe\""...)
	case flawDuplicateKey:
		head(true, true, true)
		b = append(b, `,"seq":`...)
		b = strconv.AppendUint(b, malformedSeq+n+1, 10)
	case flawNull:
		return nil
	case flawNesting:
		head(true, true, true)
		b = append(b, `,"diagnosis":`...)
		b = append(b, bytes.Repeat([]byte{'['}, nestingDepth)...)
		b = append(b, bytes.Repeat([]byte{']'}, nestingDepth)...)
	case flawOversize:
		head(true, true, true)
		b = append(b, `,"log":"`...)
		// A pattern, so that the compressed record passes a broker that
		// accepts no more than 1 MiB.
		b = append(b, bytes.Repeat([]byte("bearing "), oversizeBytes/len("bearing "))...)
		b = append(b, '"')
	}
	return append(b, tail...)
}
