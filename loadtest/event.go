package loadtest

import (
	"math/rand/v2"

	"penstock/schema"
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

// encoder writes events as JSON or Protobuf. It is used by one goroutine at a
// time.
//
// By hand and not by encoding/json: the fleet shares its machine with what it
// measures, and at 20,000 events/s a reflecting encoder would be its largest
// consumer.
type encoder struct {
	prefix   string // of every device id
	seed     uint64
	encoding schema.Encoding
	upgrade  upgrading
	source   rand.PCG
	rand     *rand.Rand
}

func newEncoder(run string, seed uint64, encoding schema.Encoding) *encoder {
	e := &encoder{prefix: devicePrefix(run), seed: seed, encoding: encoding}
	e.rand = rand.New(&e.source)
	return e
}

func devicePrefix(run string) string { return "dev-" + run + "-" }

func appendDevice(b []byte, prefix string, device uint32) []byte {
	b = append(b, prefix...)
	high, middle, low := 2*(device/10_000), 2*(device/100%100), 2*(device%100)
	return append(b, pairs[high], pairs[high+1], pairs[middle], pairs[middle+1], pairs[low], pairs[low+1])
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

// reading is what an event says. Numbers are in hundredths, but for those of
// integer type and the position, which is in its device's traits.
type reading struct {
	event
	traits
	generation
	unusual odd
	id      uint64
	status  string

	temperature                        int64 // not sent if unusual is oddWrongType
	humidity, pressure                 int64
	vibrationX, vibrationY, vibrationZ int64
	voltage, current, power, frequency int64
	flowRate                           int64
	battery, rssi                      int64
	uptime, errorCode                  int64 // an errorCode below minErrorCode is null
	doorOpen                           bool
	torque, gateway, hops              int64 // of the next generation

	upgraded bool // has the fields of the upgrade
}

// minErrorCode is the first error code there is: half of the draws are none.
const minErrorCode = 128

// reading draws what ev says; the same for the same event.
func (e *encoder) reading(ev event) reading {
	r := reading{event: ev, traits: e.traits(ev.device), generation: generations[ev.device%uint32(len(generations))], unusual: oddEnd}
	if r.upgraded = e.upgrade.has(e.seed, ev); r.upgraded {
		r.generation = generation{version: upgradeFirmware}
	}
	e.source.Seed(e.seed, spread*(uint64(ev.device)<<32|uint64(ev.seq)))
	r.id = e.rand.Uint64()
	noise := e.rand.Uint64()
	// wobble takes one value's share of the reading's noise, in [0, n).
	wobble := func(n uint64) int64 {
		noise = noise*6364136223846793005 + 1442695040888963407
		return int64(noise >> 33 % n)
	}
	if v := wobble(oddShare * uint64(oddEnd)); v < int64(oddEnd) {
		r.unusual = odd(v)
	}
	r.status = status(wobble(1000))
	if r.unusual != oddWrongType {
		r.temperature = r.traits.temperature + wobble(400)
	}
	r.humidity = 3_000 + wobble(3_000)
	r.pressure = 29_000 + wobble(4_000)
	r.vibrationX = wobble(450)
	r.vibrationY = wobble(450)
	r.vibrationZ = wobble(700)
	r.voltage = 39_200 + wobble(1_600)
	r.current = 800 + wobble(900)
	r.power = r.traits.power + wobble(20_000)
	r.frequency = 4_990 + wobble(20)
	r.flowRate = 1_800 + wobble(1_200)
	r.battery = 80 + wobble(21)
	r.rssi = -90 + wobble(45)
	if !r.old {
		r.uptime = 86_400 + int64(ev.seq)*10
		r.errorCode = wobble(256)
		r.doorOpen = wobble(64) == 0
	}
	if r.next {
		r.torque = 200 + wobble(3_000)
		r.gateway = 10 + wobble(40)
		r.hops = 1 + wobble(3)
	}
	return r
}

// event appends ev in the encoder's encoding.
func (e *encoder) event(b []byte, ev event) []byte {
	r := e.reading(ev)
	if e.encoding == schema.Protobuf {
		return e.appendProtobuf(b, &r)
	}
	return e.appendJSON(b, &r)
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
