package loadtest

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// kind is what a record is to whoever has to prove its fate.
type kind uint8

const (
	live      kind = iota // a new reading, taken when it is sent
	late                  // a new reading, taken days or minutes ago
	resent                // a reading sent before, byte for byte
	malformed             // has to be rejected
)

// record is what the fleet sends in one slot of the schedule.
type record struct {
	event
	kind kind
	nth  uint64 // which malformed record this is
	flaw flaw   // and what is wrong with it
}

const (
	// The delay of a resend lies between these.
	resendMin = 100 * time.Millisecond
	resendMax = 20 * time.Second
	// maxHistory bounds the memory of what can be resent, 16 bytes each. Above
	// 200,000 records/s it shortens the longest delay of a resend.
	maxHistory = 4 << 20
	// lateDays is on how many different days late readings fall: enough to
	// have days on both sides of thirty, few enough for the parts they cost.
	lateDays   = 5
	maxLateDay = 40
	// coldAfter is the age in days from which tiering takes a day by default.
	coldAfter = 30
	// kept is how old readings of devices without a network are at most.
	kept = time.Hour
	// loadOffset flattens the head of the devices' Zipf-like load, whose n-th
	// device sends in proportion to 1/(n+loadOffset). With 10,000 devices the
	// busiest sends 0.8 %, a hundred times the median; without the offset it
	// would send 10 % and fill one partition on its own.
	loadOffset = 20
)

// fleet decides what is sent next. It does no I/O and reads no clock. It is
// used by one goroutine at a time.
type fleet struct {
	enc  *encoder
	rand *rand.Rand
	// phases say what the load consists of, phase which of them it is, and until
	// when, in ms since 1970.
	phases  []Phase
	phase   int
	until   int64
	devices uint32
	// head is the logarithm from which a device is picked, see pick.
	head float64

	// next is each device's next sequence number; so [0, next) was sent.
	next []uint32
	// upgraded counts the readings of devices that have the upgrade.
	upgraded uint64
	// malformed counts the malformed records.
	malformed uint64
	// history holds, per slot, the reading sent in it or the last one before
	// it. It is a ring: slot s stands at s % len(history).
	history []event
	slots   int64
	delays  struct{ min, max float64 } // of a resend, in slots
	// lateFrom are the first milliseconds of the days late readings fall on.
	lateFrom []int64
}

// newFleet returns the fleet of c, whose late days lie before start's.
func newFleet(c Config, start time.Time) *fleet {
	source := rand.New(rand.NewPCG(c.Seed, 0x9e3779b97f4a7c15))
	f := &fleet{
		enc:     newEncoder(c.Run, c.Seed, c.Encoding),
		rand:    source,
		phases:  c.phases(),
		devices: uint32(c.Devices),
		head:    math.Log1p(float64(c.Devices) / loadOffset),
		next:    make([]uint32, c.Devices),
	}
	f.enc.upgrade = c.Upgrade.begin(start)
	f.until = start.Add(f.phases[0].For).UnixMilli()
	f.delays.min = math.Max(1, c.peak()*resendMin.Seconds())
	f.delays.max = math.Min(math.Max(f.delays.min, c.peak()*resendMax.Seconds()), maxHistory-1)
	f.history = make([]event, int(f.delays.max)+1)
	today := start.UTC().Truncate(24 * time.Hour)
	for _, age := range lateAges(source) {
		f.lateFrom = append(f.lateFrom, today.AddDate(0, 0, -age).UnixMilli())
	}
	return f
}

// lateAges draws the ages, in days, of late readings: two that tiering takes
// for cold, the others hot.
func lateAges(r *rand.Rand) []int {
	cold := r.Perm(maxLateDay - coldAfter)[:2]
	hot := r.Perm(coldAfter)[:lateDays-2]
	ages := []int{coldAfter + 1 + cold[0], coldAfter + 1 + cold[1]}
	for _, age := range hot {
		ages = append(ages, 1+age)
	}
	slices.Sort(ages)
	return ages
}

// draw decides the record of the next slot, intended for now (ms since 1970).
func (f *fleet) draw(now int64) record {
	slot := f.slots
	f.slots++
	last := event{}
	if slot > 0 {
		last = f.history[(slot-1)%int64(len(f.history))]
	}
	for f.phase+1 < len(f.phases) && now >= f.until {
		f.phase++
		f.until += f.phases[f.phase].For.Milliseconds()
	}
	shares := f.phases[f.phase].Shares
	var r record
	switch u := f.rand.Float64(); {
	case u < shares.Malformed:
		r = record{kind: malformed, nth: f.malformed, flaw: f.enc.flaw(f.malformed), event: event{device: f.pick(), ts: now}}
		f.malformed++
	case u < shares.Malformed+shares.Resend:
		r = f.resend(slot, now)
	case u < shares.Malformed+shares.Resend+shares.Late:
		r = f.read(f.pick(), late, f.lateFrom[f.rand.IntN(len(f.lateFrom))]+f.rand.Int64N(24*3600*1000))
	case u < shares.Malformed+shares.Resend+shares.Late+shares.Kept:
		r = f.read(f.pick(), late, now-f.rand.Int64N(kept.Milliseconds()))
	default:
		r = f.read(f.pick(), live, now)
	}
	if r.kind == live || r.kind == late {
		last = r.event
	}
	f.history[slot%int64(len(f.history))] = last
	return r
}

// resend picks a reading sent before. While there is none that is old enough,
// it is a new one.
func (f *fleet) resend(slot, now int64) record {
	oldest := math.Min(f.delays.max, float64(slot))
	if oldest > f.delays.min {
		delay := int64(f.delays.min + f.rand.Float64()*(oldest-f.delays.min))
		if ev := f.history[(slot-delay)%int64(len(f.history))]; ev.ts != 0 {
			return record{kind: resent, event: ev}
		}
	}
	return f.read(f.pick(), live, now)
}

// read takes the device's next reading.
func (f *fleet) read(device uint32, k kind, ts int64) record {
	ev := event{device: device, seq: f.next[device], ts: ts}
	f.next[device]++
	if f.enc.upgrade.has(f.enc.seed, ev) {
		f.upgraded++
	}
	return record{kind: k, event: ev}
}

// pick draws a device by its share of the load: the inverse of the cumulated
// 1/(n+loadOffset), which needs no table. Device 0 is the whale, if there is one.
func (f *fleet) pick() uint32 {
	if whale := f.phases[f.phase].Whale; whale > 0 && f.rand.Float64() < whale {
		return 0
	}
	n := loadOffset*math.Exp(f.rand.Float64()*f.head) - loadOffset
	return min(uint32(n), f.devices-1)
}

// append appends the value of r; it returns nil for a record without one.
func (f *fleet) append(b []byte, r record) []byte {
	if r.kind == malformed {
		return f.enc.malformed(b, r)
	}
	return f.enc.event(b, r.event)
}

// appendKey appends the Kafka key of r: a device's records share a partition,
// malformed ones too.
func (f *fleet) appendKey(b []byte, r record) []byte {
	return appendDevice(b, f.enc.prefix, r.device)
}
