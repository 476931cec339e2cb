package intent

import (
	"fmt"
	"slices"
	"strings"
)

// answer is what the sender of an insert knows of it.
type answer int

const (
	none   answer = iota
	stored        // or skipped: it looks the same
	refused
	lost // there will be none
)

// message is an attempt at an insert of one day, on the wire.
type message struct {
	sender *node
	aim    aim
	day    int
	rows   []row
	answer answer
	held   int // it takes so many looks at it longer
}

// receipts returns what is stored of the partition.
func (w *world) receipts(p int32) []row {
	if w.Off.Receipts {
		return nil
	}
	return w.rows[p]
}

// send puts an attempt on the wire.
func (w *world) send(n *node, as aim, day int, rows []row) *message {
	m := &message{sender: n, aim: as, day: day, rows: slices.Clone(rows)}
	w.wire = append(w.wire, m)
	w.logf("n%d: insert %s day %d %s", n.id, as.token, day, offsets(rows))
	return m
}

// arrive is what ClickHouse does with an attempt.
func (w *world) arrive(m *message) answer {
	if !w.Off.Token && slices.Contains(w.tokens[m.day], m.aim.token) {
		w.logf("  %s day %d of n%d is skipped", m.aim.token, m.day, m.sender.id)
		return stored
	}
	if !w.cured && slices.ContainsFunc(m.rows, func(r row) bool { return r.poison }) {
		w.logf("  %s day %d of n%d is refused", m.aim.token, m.day, m.sender.id)
		return refused
	}
	w.spend(m)
	for _, r := range m.rows {
		w.rows[r.partition] = append(w.rows[r.partition], r)
	}
	w.logf("  %s day %d of n%d is stored: %s", m.aim.token, m.day, m.sender.id, offsets(m.rows))
	return stored
}

// spend remembers a token and forgets the oldest, but none under which an
// insert is in flight: that the window outlasts a flight is what the protocol
// asks of ClickHouse.
func (w *world) spend(m *message) {
	day := &w.tokens[m.day]
	if slices.Contains(*day, m.aim.token) {
		return
	}
	*day = append(*day, m.aim.token)
	for i := 0; i < len(*day)-1 && len(*day) > w.Memory; {
		if token := (*day)[i]; w.inFlight(func(a aim) bool { return a.token == token }) {
			i++
		} else {
			w.logf("  day %d forgets %s", m.day, token)
			*day = slices.Delete(*day, i, i+1)
		}
	}
}

// inFlight says whether such an attempt is on the wire, or a node may send one
// without asking Kafka before.
func (w *world) inFlight(is func(aim) bool) bool {
	return slices.ContainsFunc(w.wire, func(m *message) bool { return is(m.aim) }) ||
		slices.ContainsFunc(w.nodes, func(n *node) bool {
			return slices.ContainsFunc(n.claims, is) || slices.ContainsFunc(n.lane.flight, func(f *flight) bool { return is(f.aim) })
		})
}

// deliver decides on an attempt on the wire.
func (w *world) deliver(i int) {
	m := w.wire[i]
	if m.held > 0 && w.trouble > 0 {
		m.held--
		return
	}
	off := func() { w.wire = slices.Delete(w.wire, i, i+1) }
	// Nobody waits for what a message brings a second time, or too late.
	tell := func(a answer) {
		if m.answer == none {
			m.answer = a
		}
	}
	fate := w.rng.IntN(100)
	if w.trouble == 0 {
		fate = 0
	}
	switch {
	case fate < 60:
		tell(w.arrive(m))
		off()
	case fate < 72: // stored, and its answer lost
		w.arrive(m)
		tell(lost)
		off()
	case fate < 80: // it arrives twice, unless it was answered that it is refused
		if tell(w.arrive(m)); m.answer == refused {
			off()
		}
	case fate < 90: // its sender gives it up, and it is still on its way
		if m.answer == none {
			w.logf("  %s day %d of n%d: the answer is no longer waited for", m.aim.token, m.day, m.sender.id)
		}
		tell(lost)
		m.held = w.rng.IntN(100)
	case fate < 96:
		w.logf("  %s day %d of n%d never arrives", m.aim.token, m.day, m.sender.id)
		tell(lost)
		off()
	default: // ClickHouse dies between its log of tokens and the part
		if !slices.Contains(w.tokens[m.day], m.aim.token) {
			w.logf("  %s day %d of n%d is spent by a crash, without rows", m.aim.token, m.day, m.sender.id)
			w.spend(m)
		}
		tell(lost)
		off()
	}
}

func offsets(rows []row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "p%d:%d ", r.partition, r.offset)
	}
	return b.String()
}
