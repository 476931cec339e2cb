package loadtest

import (
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/schema"
)

// Upgrade is a new firmware that a part of the fleet gets while a run lasts. It
// sends everything that the schema knows and some fields that no device has
// sent before.
type Upgrade struct {
	// Share is that of the devices which get it, in [0, 1]. Default 0: none.
	Share float64
	// After is how long after the start of the run they have it. Default 10 s.
	After time.Duration
	// Fields is how many new fields it sends. Default 3: a number with a
	// fraction, a whole one, and text.
	Fields int
}

// upgradeFirmware is what the devices with the upgrade call theirs.
const upgradeFirmware = "3.3.0"

// newField is a field of the upgrade. Its value follows from the device and the
// number of the reading, so that the proof knows every one of them.
type newField struct {
	name   string
	number protowire.Number // in a message
	kind   fieldKind
	least  uint64
	many   uint64   // how many different values there are
	texts  []string // of a text
}

type fieldKind uint8

const (
	fraction fieldKind = iota // in quarters, which a float32 has exactly
	whole
	text
)

// newFields are the fields of the upgrade, of which the first are sent. The
// numbers follow those that other fields have in messages.
var newFields = [...]newField{
	{name: "noise_db", number: 30, kind: fraction, least: 120, many: 240},
	{name: "fan_rpm", number: 31, kind: whole, least: 600, many: 3000},
	{name: "door_state", number: 32, kind: text, texts: []string{"closed", "open", "ajar", "locked"}},
	{name: "oil_ph", number: 33, kind: fraction, least: 20, many: 16},
	{name: "valve_steps", number: 34, kind: whole, least: 70_000, many: 1 << 20},
	{name: "pump_mode", number: 35, kind: text, texts: []string{"eco", "boost", "off \"safe\"", "größer"}},
}

// draw is the field's value in a reading of a device, before it is scaled.
func (f *newField) draw(seed uint64, device, seq uint32) uint64 {
	// The finalizer of SplitMix64, by Vigna.
	x := seed + spread*(uint64(device)<<32|uint64(seq)) + uint64(f.number)<<56
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	if f.kind == text {
		return x % uint64(len(f.texts))
	}
	return f.least + x%f.many
}

// text is a drawn value as ClickHouse writes it.
func (f *newField) text(v uint64) string {
	switch f.kind {
	case fraction:
		return strconv.FormatFloat(float64(v)/4, 'f', -1, 64)
	case whole:
		return strconv.FormatUint(v, 10)
	default:
		return f.texts[v]
	}
}

func (f *newField) appendJSON(b []byte, v uint64) []byte {
	b = append(append(append(b, `,"`...), f.name...), `":`...)
	switch f.kind {
	case fraction:
		return appendHundredths(b, int64(v)*25)
	case whole:
		return appendUint(b, v)
	default:
		return strconv.AppendQuote(b, f.texts[v])
	}
}

func (f *newField) appendProtobuf(b []byte, v uint64) []byte {
	switch f.kind {
	case fraction:
		return protowire.AppendFixed64(protowire.AppendTag(b, f.number, protowire.Fixed64Type), math.Float64bits(float64(v)/4))
	case whole:
		return appendVarint(b, f.number, v)
	default:
		return appendString(b, f.number, f.texts[v])
	}
}

// inExtra is the ClickHouse expression, a text, for the field's value where
// there is no column for it; ” if the row has none.
func (f *newField) inExtra(encoding schema.Encoding) string {
	place, as, reading := schema.QuoteString(f.name), "Float64", "double"
	switch f.kind {
	case whole:
		as, reading = "UInt64", "varint"
	case text:
		as, reading = "String", "string"
	}
	if encoding == schema.Protobuf {
		place = schema.QuoteString(strconv.Itoa(int(f.number))) + ", " + schema.QuoteString(reading)
	}
	return "ifNull(toString(JSONExtract(extra, " + place + ", 'Nullable(" + as + ")')), '')"
}

// inColumn is the same where there is a column of its name.
func (f *newField) inColumn() string {
	return "ifNull(toString(" + schema.QuoteIdent(f.name) + "), '')"
}

// upgrading is an [Upgrade] at work.
type upgrading struct {
	fields []newField
	share  uint64 // of 2^32
	from   int64  // ms since 1970: readings taken from then on are of the new firmware
}

func (u Upgrade) begin(start time.Time) upgrading {
	return upgrading{fields: newFields[:u.Fields], share: uint64(u.Share * (1 << 32)), from: start.Add(u.After).UnixMilli()}
}

// has reports whether a reading is of a device that has the new firmware.
func (u upgrading) has(seed uint64, ev event) bool {
	chosen := newField{many: 1 << 32}
	return u.share > 0 && ev.ts >= u.from && chosen.draw(seed, ev.device, 0) < u.share
}
