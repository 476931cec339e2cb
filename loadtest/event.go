package loadtest

import (
	"math/rand/v2"
	"strconv"
)

// event names one reading of one device. Its bytes follow from it and the
// fleet's seed alone, so that a resend is written anew instead of kept: 16 bytes
// remembered, not 500.
type event struct {
	device uint32
	seq    uint32
	ts     int64 // when the device says it took the reading, ms since 1970 UTC
}

// deviceDigits pads the device's number, so that ids sort as their numbers do
// and a range of devices is a range of ids in ClickHouse and in Parquet.
const deviceDigits = 6

// maxDevices is what deviceDigits can number.
const maxDevices = 1_000_000

// generation is a firmware version and what it makes of an event.
type generation struct {
	version string
	old     bool // knows nothing of position, uptime, error_code and door_open
	next    bool // sends fields the schema does not know yet
}

// generations is indexed by the device's number modulo its length: most of a
// fleet runs a current version, some stay behind, a few try the next one.
var generations = [...]generation{
	{version: "3.2.1"}, {version: "3.2.1"}, {version: "3.2.1"}, {version: "3.1.7"},
	{version: "3.1.7"}, {version: "2.9.4", old: true}, {version: "3.2.1"}, {version: "4.0.0-rc2", next: true},
}

// odd is what a reading may have that is unusual and still has to be stored.
type odd uint32

const (
	oddWrongType odd = iota // an optional field of another type: kept in extra
	oddEscapes              // a name and a value written with escapes
	oddNested               // a nested field the schema does not know: kept in extra
	oddEnd
)

// oddShare is one in how many readings is odd.
const oddShare = 300

// encoder writes events as JSON. It is used by one goroutine at a time.
//
// By hand and not by encoding/json: the fleet shares its machine with what it
// measures, and at 20,000 events/s a reflecting encoder would be its largest
// consumer.
type encoder struct {
	prefix string // of every device id
	seed   uint64
	source rand.PCG
	rand   *rand.Rand
}

func newEncoder(run string, seed uint64) *encoder {
	e := &encoder{prefix: devicePrefix(run), seed: seed}
	e.rand = rand.New(&e.source)
	return e
}

func devicePrefix(run string) string { return "dev-" + run + "-" }

func appendDevice(b []byte, prefix string, device uint32) []byte {
	b = append(b, prefix...)
	for limit := uint32(maxDevices / 10); limit > 1 && device < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, uint64(device), 10)
}

// spread makes neighbouring numbers far ones: PCG's first values after seeds
// that differ in a few low bits are visibly alike.
const spread = 0x9e3779b97f4a7c15

// traits are what stays the same of a device.
type traits struct {
	site, line          uint32
	latitude, longitude int64 // millionths of a degree
	temperature         int64 // hundredths
	power               int64 // hundredths
}

func (e *encoder) traits(device uint32) traits {
	e.source.Seed(^e.seed, spread*uint64(device))
	bits := e.rand.Uint64()
	return traits{
		site:        uint32(bits % 12),
		line:        uint32(bits >> 8 % 6),
		latitude:    47_000_000 + int64(bits>>16%7_000_000),
		longitude:   6_000_000 + int64(bits>>40%8_000_000),
		temperature: 3_500 + int64(bits>>24%3_000),
		power:       90_000 + int64(bits>>32%400_000),
	}
}

// event appends ev as one JSON object, about 500 bytes.
func (e *encoder) event(b []byte, ev event) []byte {
	t := e.traits(ev.device)
	gen := generations[ev.device%uint32(len(generations))]
	e.source.Seed(e.seed, spread*(uint64(ev.device)<<32|uint64(ev.seq)))
	id, noise := e.rand.Uint64(), e.rand.Uint64()
	// wobble takes one value's share of the reading's noise, in [0, n).
	wobble := func(n uint64) int64 {
		noise = noise*6364136223846793005 + 1442695040888963407
		return int64(noise >> 33 % n)
	}
	unusual := oddEnd
	if v := wobble(oddShare * uint64(oddEnd)); v < int64(oddEnd) {
		unusual = odd(v)
	}

	b = append(b, `{"device_id":"`...)
	b = appendDevice(b, e.prefix, ev.device)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, uint64(ev.seq), 10)
	b = append(b, `,"ts":`...)
	b = strconv.AppendInt(b, ev.ts, 10)
	b = append(b, `,"event_id":"`...)
	b = appendHex(b, id)
	b = append(b, `","firmware":"`...)
	b = append(b, gen.version...)
	if unusual == oddEscapes {
		b = append(b, `","\u0073ite":"plant-\u00e9-`...)
	} else {
		b = append(b, `","site":"plant-`...)
	}
	b = strconv.AppendUint(b, uint64(10+t.site), 10)
	b = append(b, `","line":"line-`...)
	b = strconv.AppendUint(b, uint64(1+t.line), 10)
	b = append(b, `","status":"`...)
	b = append(b, status(wobble(1000))...)
	b = append(b, '"')
	if unusual == oddWrongType {
		b = append(b, `,"temperature":"n/a"`...)
	} else {
		b = appendHundredths(b, "temperature", t.temperature+wobble(400))
	}
	b = appendHundredths(b, "humidity", 3_000+wobble(3_000))
	b = appendHundredths(b, "pressure", 29_000+wobble(4_000))
	b = appendHundredths(b, "vibration_x", wobble(450))
	b = appendHundredths(b, "vibration_y", wobble(450))
	b = appendHundredths(b, "vibration_z", wobble(700))
	b = appendHundredths(b, "voltage", 39_200+wobble(1_600))
	b = appendHundredths(b, "current", 800+wobble(900))
	b = appendHundredths(b, "power", t.power+wobble(20_000))
	b = appendHundredths(b, "frequency", 4_990+wobble(20))
	b = appendHundredths(b, "flow_rate", 1_800+wobble(1_200))
	b = append(b, `,"battery":`...)
	b = strconv.AppendInt(b, 80+wobble(21), 10)
	b = append(b, `,"rssi":`...)
	b = strconv.AppendInt(b, -90+wobble(45), 10)
	if !gen.old {
		b = append(b, `,"latitude":`...)
		b = appendMillionths(b, t.latitude)
		b = append(b, `,"longitude":`...)
		b = appendMillionths(b, t.longitude)
		b = append(b, `,"uptime":`...)
		b = strconv.AppendInt(b, 86_400+int64(ev.seq)*10, 10)
		b = append(b, `,"error_code":`...)
		if code := wobble(256); code < 128 {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, code, 10)
		}
		b = append(b, `,"door_open":`...)
		b = strconv.AppendBool(b, wobble(64) == 0)
	}
	if gen.next {
		b = appendHundredths(b, "torque", 200+wobble(3_000))
		b = append(b, `,"gateway":{"id":"gw-`...)
		b = strconv.AppendInt(b, 10+wobble(40), 10)
		b = append(b, `","hops":`...)
		b = strconv.AppendInt(b, 1+wobble(3), 10)
		b = append(b, '}')
	}
	if unusual == oddNested {
		b = append(b, `,"diagnosis":{"bus":[1,2,{"code":"E7","open":null}],"note":"a \"quoted\" word"}`...)
	}
	return append(b, '}')
}

func status(v int64) string {
	switch {
	case v < 3:
		return "fault"
	case v < 30:
		return "warn"
	}
	return "ok"
}

func appendHundredths(b []byte, name string, v int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	b = strconv.AppendInt(b, v/100, 10)
	return append(b, '.', byte('0'+v/10%10), byte('0'+v%10))
}

func appendMillionths(b []byte, v int64) []byte {
	b = strconv.AppendInt(b, v/1_000_000, 10)
	b = append(b, '.')
	for limit := int64(100_000); limit > 0; limit /= 10 {
		b = append(b, byte('0'+v/limit%10))
	}
	return b
}

func appendHex(b []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&15])
	}
	return b
}
