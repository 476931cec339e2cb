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
	flawJSON
	flawFieldZero
	flawOpenGroup
	flawOversize
	flawBOM // it and what follows is of JSON alone, see misspelt
	flawNaN
	flawTrailingComma
	flawBareName
	flawSingleQuotes
	flawSurrogate
	flawTwoObjects
	flawText
	flawSeqNegative
	flawSeqFraction
	flawSeqOverflow
	flawNoDeviceName
	flawNullDevice
	flawTimeText
	flawGzip
	flawCBOR
	flawEnd
)

// flaws says of each flaw how it is called and why the schema rejects it.
var flaws = [flawEnd]struct {
	name   string
	reason schema.Reason
}{
	flawTruncated:     {"truncated", schema.ReasonMalformed},
	flawNotObject:     {"not_an_object", schema.ReasonNotObject},
	flawNoDevice:      {"no_device_id", schema.ReasonMissing},
	flawNoSeq:         {"no_seq", schema.ReasonMissing},
	flawNoTime:        {"no_ts", schema.ReasonMissing},
	flawSeqType:       {"seq_of_wrong_type", schema.ReasonType},
	flawTime1970:      {"ts_in_1970", schema.ReasonTime},
	flawTimeAhead:     {"ts_ten_years_ahead", schema.ReasonTime},
	flawUTF8:          {"invalid_utf8", schema.ReasonMalformed},
	flawDuplicateKey:  {"duplicate_key", schema.ReasonMalformed},
	flawNull:          {"null_value", schema.ReasonEmpty},
	flawNesting:       {"nested_10000_deep", schema.ReasonNesting},
	flawJSON:          {"json_among_protobuf", schema.ReasonMalformed},
	flawFieldZero:     {"field_number_0", schema.ReasonMalformed},
	flawOpenGroup:     {"group_without_end", schema.ReasonMalformed},
	flawOversize:      {"2_mib_record", schema.ReasonTooLarge},
	flawBOM:           {"byte_order_mark", schema.ReasonMalformed},
	flawNaN:           {"nan_literal", schema.ReasonMalformed},
	flawTrailingComma: {"trailing_comma", schema.ReasonMalformed},
	flawBareName:      {"name_without_quotes", schema.ReasonMalformed},
	flawSingleQuotes:  {"single_quotes", schema.ReasonMalformed},
	flawSurrogate:     {"lone_surrogate", schema.ReasonMalformed},
	flawTwoObjects:    {"two_objects", schema.ReasonMalformed},
	flawText:          {"text", schema.ReasonNotObject},
	flawSeqNegative:   {"seq_negative", schema.ReasonType},
	flawSeqFraction:   {"seq_fraction", schema.ReasonType},
	flawSeqOverflow:   {"seq_over_64_bits", schema.ReasonType},
	flawNoDeviceName:  {"empty_device_id", schema.ReasonMissing},
	flawNullDevice:    {"null_device_id", schema.ReasonMissing},
	flawTimeText:      {"ts_as_text", schema.ReasonType},
	flawGzip:          {"gzip_in_the_value", schema.ReasonMalformed},
	flawCBOR:          {"cbor_among_json", schema.ReasonMalformed},
}

// flawsOf are the flaws a record of an encoding can have, but for flawOversize:
// a message may say a thing twice, and is nested in nothing.
var flawsOf = map[schema.Encoding][]flaw{
	schema.JSON: {flawTruncated, flawNotObject, flawNoDevice, flawNoSeq, flawNoTime, flawSeqType,
		flawTime1970, flawTimeAhead, flawUTF8, flawDuplicateKey, flawNull, flawNesting,
		flawBOM, flawNaN, flawTrailingComma, flawBareName, flawSingleQuotes, flawSurrogate, flawTwoObjects, flawText,
		flawSeqNegative, flawSeqFraction, flawSeqOverflow, flawNoDeviceName, flawNullDevice, flawTimeText, flawGzip, flawCBOR},
	schema.Protobuf: {flawTruncated, flawJSON, flawNoDevice, flawNoSeq, flawNoTime, flawSeqType,
		flawTime1970, flawTimeAhead, flawUTF8, flawFieldZero, flawNull, flawOpenGroup},
}

func (f flaw) String() string { return flaws[f].name }

const (
	// malformedSeq is the first seq of malformed records. No reading has one as
	// high, so that a malformed record stored by mistake shows as unexpected
	// instead of standing in for a reading.
	malformedSeq = 1 << 40
	// oversizeEvery is one in how many malformed records is a large one: the
	// bound is proven by a few, and 2 MiB each would drown the load. The first is
	// the one after every other flaw.
	oversizeEvery = 64
	oversizeBytes = 2 << 20
	nestingDepth  = 10_000
	tenYears      = 3653 * 24 * 3600 * 1000 // ms
	in1970        = 86_400_000              // ms
)

// flaw is that of the n-th malformed record. They take turns, so that a run of a
// few dozen has every one.
func (e *encoder) flaw(n uint64) flaw {
	of := flawsOf[e.encoding]
	if n%oversizeEvery == uint64(len(of)) {
		return flawOversize
	}
	return of[n%uint64(len(of))]
}

// malformed appends the malformed record r. It returns nil for one without a
// value.
func (e *encoder) malformed(b []byte, r record) []byte {
	switch {
	case r.flaw == flawNull:
		return nil
	case e.encoding == schema.Protobuf:
		return e.malformedProtobuf(b, r)
	}
	return e.malformedJSON(b, r)
}

// oversize is a pattern, so that the compressed record passes a broker that
// accepts no more than 1 MiB.
func oversize() []byte { return bytes.Repeat([]byte("bearing "), oversizeBytes/len("bearing ")) }

func (e *encoder) malformedJSON(b []byte, r record) []byte {
	if r.flaw >= flawBOM {
		return e.misspelt(b, r)
	}
	n, ts := r.nth, r.ts
	deviceID := appendDevice(nil, e.prefix, r.device)
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
	switch r.flaw {
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
		b = append(b, `,"ts":`...)
		b = strconv.AppendInt(b, in1970, 10)
	case flawTimeAhead:
		ts += tenYears
		head(true, true, true)
	case flawUTF8:
		head(true, true, true)
		b = append(b, ",\"site\":\"plant-\xff\xfe\""...)
	case flawDuplicateKey:
		head(true, true, true)
		b = append(b, `,"seq":`...)
		b = strconv.AppendUint(b, malformedSeq+n+1, 10)
	case flawNesting:
		head(true, true, true)
		b = append(b, `,"diagnosis":`...)
		b = append(b, bytes.Repeat([]byte{'['}, nestingDepth)...)
		b = append(b, bytes.Repeat([]byte{']'}, nestingDepth)...)
	case flawOversize:
		head(true, true, true)
		b = append(b, `,"log":"`...)
		b = append(b, oversize()...)
		b = append(b, '"')
	}
	return append(b, tail...)
}
