package loadtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// arrived is what the proof asks of the table.
type arrived interface {
	// Count returns how many rows the devices of ids have.
	Count(ctx context.Context, ids idRange) (uint64, error)
	// Devices returns one summary a device, in any order.
	Devices(ctx context.Context, ids idRange) iter.Seq2[deviceRows, error]
	// Readings returns the rows of each device and seq, in that order.
	Readings(ctx context.Context, ids idRange) iter.Seq2[readingRows, error]
}

// idRange is the device ids in [from, to).
type idRange struct{ from, to string }

// deviceRows sums up the rows of a device.
type deviceRows struct {
	device         string
	rows, distinct uint64 // all, and different sequence numbers among them
	min, max       uint64 // sequence numbers
	places         uint64 // different Kafka coordinates among the rows
}

// readingRows is how many rows an identity has.
type readingRows struct {
	device string
	seq    uint64
	rows   uint64
}

// Proof compares what is stored with what was sent.
type Proof struct {
	Stored     uint64 `json:"stored"`     // rows of the run
	Missing    uint64 `json:"missing"`    // readings acknowledged by Kafka and not stored
	Duplicated uint64 `json:"duplicated"` // rows beyond one an identity
	// SamePlace are rows beyond one a Kafka coordinate: those of Duplicated
	// that no device resent.
	SamePlace uint64 `json:"duplicated_offsets"`
	// Unexpected are rows of no reading that was sent, such as a malformed
	// record taken for one.
	Unexpected uint64 `json:"unexpected"`
	// Examples name the first few of each.
	Examples []string `json:"examples,omitempty"`
}

// fault returns what the proof found wrong, nil if nothing.
func (p Proof) fault(allowDuplicates bool) error {
	var errs faults
	errs.check(p.Missing, "%d readings missing")
	errs.check(p.Unexpected, "%d rows of no reading that was sent")
	if !allowDuplicates {
		errs.check(p.Duplicated, "%d rows duplicated")
	}
	return errors.Join(errs...)
}

const (
	maxExamples = 12
	// chunkReadings bounds what one query of the proof has to hold in memory,
	// here and in ClickHouse.
	chunkReadings = 2_000_000
)

// chunk is a range of devices, [from, to), proven by one query.
type chunk struct{ from, to uint32 }

func (s Sent) chunks(limit uint64) []chunk {
	var out []chunk
	open, readings := chunk{}, uint64(0)
	for device, seqs := range s.Seqs {
		if n := uint32(device); open.from < n && readings+uint64(seqs) > limit {
			out = append(out, chunk{open.from, n})
			open.from, readings = n, 0
		}
		readings += uint64(seqs)
	}
	return append(out, chunk{open.from, uint32(len(s.Seqs))})
}

// ids returns the device ids of c. The first chunk starts and the last one ends
// with the run's prefix, so that together they cover every id with it.
func (s Sent) ids(c chunk) idRange {
	prefix := devicePrefix(s.Run)
	r := idRange{prefix, strings.TrimSuffix(prefix, "-") + "."} // '.' follows '-'
	if c.from > 0 {
		r.from = string(appendDevice(nil, prefix, c.from))
	}
	if int(c.to) < len(s.Seqs) {
		r.to = string(appendDevice(nil, prefix, c.to))
	}
	return r
}

// device returns the number in a device id, and whether it is one of the run's.
func (s Sent) device(id string) (uint32, bool) {
	digits, ok := strings.CutPrefix(id, devicePrefix(s.Run))
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), ok && err == nil && len(digits) == deviceDigits && n < uint64(len(s.Seqs))
}

// prove compares each device's exact set of sequence numbers with s.
//
// A device's n rows with n different numbers between 0 and n-1 are the whole
// set: one summary a device proves it. Only where a summary is off are the
// identities themselves read, to count and name what is wrong.
func prove(ctx context.Context, src arrived, s Sent, chunkLimit uint64) (Proof, error) {
	var p Proof
	unacked := make(map[identity]bool, len(s.Unacked))
	for _, id := range s.Unacked {
		unacked[id] = true
	}
	for _, c := range s.chunks(chunkLimit) {
		rows, whole, err := p.summaries(ctx, src, s, c)
		if err == nil && whole {
			p.Stored += rows
			continue
		}
		if err == nil {
			err = p.identities(ctx, src, s, c, unacked)
		}
		if err != nil {
			return p, fmt.Errorf("prove devices %d to %d of run %s: %w", c.from, c.to, s.Run, err)
		}
	}
	return p, nil
}

// summaries tells whether the devices of c have exactly their readings.
func (p *Proof) summaries(ctx context.Context, src arrived, s Sent, c chunk) (rows uint64, whole bool, err error) {
	absent := 0
	for _, seqs := range s.Seqs[c.from:c.to] {
		if seqs > 0 {
			absent++
		}
	}
	whole = true
	for row, err := range src.Devices(ctx, s.ids(c)) {
		if err != nil {
			return 0, false, err
		}
		p.SamePlace += row.rows - row.places
		device, ok := s.device(row.device)
		if !ok {
			whole = false
			continue
		}
		seqs := uint64(s.Seqs[device])
		whole = whole && row.rows == seqs && row.distinct == seqs && row.min == 0 && row.max == seqs-1
		rows += row.rows
		absent--
	}
	return rows, whole && absent == 0, nil
}

// identities counts and names what is wrong with the devices of c, by walking
// the identities stored and those sent in the same order.
func (p *Proof) identities(ctx context.Context, src arrived, s Sent, c chunk, unacked map[identity]bool) error {
	next := identity{Device: c.from} // the first one sent not yet met
	missingUntil := func(until identity) {
		for device := next.Device; device <= until.Device && device < c.to; device++ {
			id, end := identity{Device: device}, uint64(s.Seqs[device])
			if device == next.Device {
				id.Seq = next.Seq
			}
			if device == until.Device {
				end = min(end, until.Seq)
			}
			for ; id.Seq < end; id.Seq++ {
				if !unacked[id] {
					p.Missing++
					p.example(s, id, "missing")
				}
			}
		}
	}
	for row, err := range src.Readings(ctx, s.ids(c)) {
		if err != nil {
			return err
		}
		p.Stored += row.rows
		device, ok := s.device(row.device)
		id := identity{device, row.seq}
		if !ok || row.seq >= uint64(s.Seqs[device]) {
			p.Unexpected += row.rows
			if len(p.Examples) < maxExamples {
				p.Examples = append(p.Examples, fmt.Sprintf("%s seq %d: %d rows of no reading sent", row.device, row.seq, row.rows))
			}
			continue
		}
		missingUntil(id)
		next = identity{device, row.seq + 1}
		if row.rows > 1 {
			p.Duplicated += row.rows - 1
			p.example(s, id, fmt.Sprintf("%d rows", row.rows))
		}
	}
	missingUntil(identity{Device: c.to})
	return nil
}

func (p *Proof) example(s Sent, id identity, what string) {
	if len(p.Examples) < maxExamples {
		p.Examples = append(p.Examples, fmt.Sprintf("%s seq %d: %s", appendDevice(nil, devicePrefix(s.Run), id.Device), id.Seq, what))
	}
}
