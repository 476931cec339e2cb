package loadtest

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/schema"
)

// The numbers of the fields that the schema does not know. All others are the
// schema's ids, which schema/telemetry.yaml never uses again.
const (
	fieldTorque    = 27
	fieldGateway   = 28
	fieldDiagnosis = 29
)

// appendProtobuf appends r as one message, about 170 bytes. What is absent or
// null in JSON is not in it; nor is a reading of the wrong type, which has no
// counterpart in a message. Nested fields are JSON text.
func (e *encoder) appendProtobuf(b []byte, r *reading) []byte {
	// The device's id has a known length, and so is appended in place.
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(e.prefix)+deviceDigits))
	b = appendDevice(b, e.prefix, r.device)
	b = appendVarint(b, 2, uint64(r.seq))
	b = appendVarint(b, 3, uint64(r.ts))
	b = protowire.AppendTag(b, 4, protowire.BytesType)
	b = protowire.AppendVarint(b, 16)
	b = appendHex(b, r.id)
	b = appendString(b, 5, r.version)
	site := "plant-"
	if r.unusual == oddEscapes {
		site = "plant-é-"
	}
	b = appendNumbered(b, 6, site, 10+r.site)
	b = appendNumbered(b, 7, "line-", 1+r.line)
	b = appendString(b, 8, r.status)
	if r.unusual != oddWrongType {
		b = appendFloat(b, 9, r.temperature)
	}
	b = appendFloat(b, 10, r.humidity)
	b = appendFloat(b, 11, r.pressure)
	b = appendFloat(b, 12, r.vibrationX)
	b = appendFloat(b, 13, r.vibrationY)
	b = appendFloat(b, 14, r.vibrationZ)
	b = appendFloat(b, 15, r.voltage)
	b = appendFloat(b, 16, r.current)
	b = appendFloat(b, 17, r.power)
	b = appendFloat(b, 18, r.frequency)
	b = appendFloat(b, 19, r.flowRate)
	b = appendVarint(b, 20, uint64(r.battery))
	b = appendVarint(b, 21, protowire.EncodeZigZag(r.rssi))
	if !r.old {
		b = appendDouble(b, 22, r.latitude, 1_000_000)
		b = appendDouble(b, 23, r.longitude, 1_000_000)
		b = appendVarint(b, 24, uint64(r.uptime))
		if r.errorCode >= minErrorCode {
			b = appendVarint(b, 25, uint64(r.errorCode))
		}
		b = appendVarint(b, 26, protowire.EncodeBool(r.doorOpen))
	}
	if r.next {
		b = appendDouble(b, fieldTorque, r.torque, 100)
		b = protowire.AppendTag(b, fieldGateway, protowire.BytesType)
		b = append(b, 0)
		from := len(b)
		b = appendGateway(b, r)
		b[from-1] = byte(len(b) - from) // about 22: a length below 128 is one byte
	}
	if r.upgraded {
		for i := range e.upgrade.fields {
			f := &e.upgrade.fields[i]
			b = f.appendProtobuf(b, f.draw(e.seed, r.device, r.seq))
		}
	}
	if r.unusual == oddNested {
		b = appendString(b, fieldDiagnosis, diagnosis)
	}
	return b
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// appendNumbered appends a string that ends in a number of one or two digits.
func appendNumbered(b []byte, field protowire.Number, s string, n uint32) []byte {
	digits := uint64(1)
	if n >= 10 {
		digits = 2
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(len(s))+digits)
	b = append(b, s...)
	if n >= 10 {
		b = append(b, byte('0'+n/10))
	}
	return append(b, byte('0'+n%10))
}

// appendFloat appends hundredths as the float nearest to them, which is what
// their decimals are read as: both operands of the division are exact.
func appendFloat(b []byte, field protowire.Number, hundredths int64) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), math.Float32bits(float32(hundredths)/100))
}

// appendDouble appends v/of, as appendFloat.
func appendDouble(b []byte, field protowire.Number, v int64, of float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(float64(v)/of))
}

// malformedProtobuf appends the malformed message r.
func (e *encoder) malformedProtobuf(b []byte, r record) []byte {
	if r.flaw == flawJSON {
		return (&encoder{prefix: e.prefix, encoding: schema.JSON}).malformedJSON(b, r)
	}
	if r.flaw != flawNoDevice {
		b = appendString(b, 1, string(appendDevice(nil, e.prefix, r.device)))
	}
	switch r.flaw {
	case flawNoSeq:
	case flawSeqType:
		b = appendString(b, 2, "seven")
	default:
		b = appendVarint(b, 2, malformedSeq+r.nth)
	}
	switch r.flaw {
	case flawNoTime:
	case flawTime1970:
		b = appendVarint(b, 3, in1970)
	case flawTimeAhead:
		b = appendVarint(b, 3, uint64(r.ts+tenYears))
	default:
		b = appendVarint(b, 3, uint64(r.ts))
	}
	switch r.flaw {
	case flawUTF8:
		b = appendString(b, 6, "plant-\xff\xfe")
	case flawFieldZero:
		b = append(b, 0, 1)
	case flawOpenGroup:
		b = protowire.AppendTag(b, fieldDiagnosis, protowire.StartGroupType)
	case flawOversize:
		b = protowire.AppendBytes(protowire.AppendTag(b, fieldDiagnosis, protowire.BytesType), oversize())
	}
	b = appendString(b, 8, "ok")
	if r.flaw == flawTruncated {
		return b[:len(b)-1]
	}
	return appendFloat(b, 9, 4150)
}
