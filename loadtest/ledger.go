package loadtest

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// coordinate is where in the telemetry topic a record lies.
type coordinate struct {
	partition int32
	offset    int64
}

// identity is what makes two records the same event.
type identity struct {
	Device uint32 `json:"device"`
	Seq    uint64 `json:"seq"`
}

// ledger is what Kafka has acknowledged. The sender's acknowledgements write
// it; progress and verification read it.
type ledger struct {
	mu sync.Mutex
	// What follows is guarded by mu.

	// good, again and flawed count acknowledged readings, resends of them, and
	// malformed records.
	good, again, flawed uint64
	// malformed is where the malformed records lie. It is nil if no one is
	// going to ask: an endless run would fill the memory with it.
	malformed map[coordinate]flaw
	// unacked are readings of which it is not known whether Kafka has them:
	// sending them ended in an error. They may be stored and need not be.
	unacked map[identity]struct{}
	// owner is a device of each partition, for the closing readings; noOwner of
	// one that has none.
	owner []uint32

	// refused is the first error of a record Kafka did not take, nil if there is
	// none: it is asked for each record that is sent. It is written under mu.
	refused atomic.Pointer[error]
}

const noOwner = math.MaxUint32

// newLedger returns an empty ledger. It keeps where malformed records lie if
// their dead letters are going to be looked for.
func newLedger(deadLetters bool) *ledger {
	l := &ledger{unacked: map[identity]struct{}{}}
	if deadLetters {
		l.malformed = map[coordinate]flaw{}
	}
	return l
}

// acked enters that Kafka has taken r at c.
func (l *ledger) acked(r record, c coordinate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.kind {
	case malformed:
		l.flawed++
		if l.malformed != nil {
			l.malformed[c] = r.flaw
		}
	case resent:
		l.again++
	default:
		l.good++
		for int(c.partition) >= len(l.owner) {
			l.owner = append(l.owner, noOwner)
		}
		l.owner[c.partition] = r.device
	}
}

// failed enters that r may not be in Kafka.
func (l *ledger) failed(r record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.kind == live || r.kind == late {
		l.unacked[identity{r.device, uint64(r.seq)}] = struct{}{}
	}
	if l.refused.Load() == nil {
		what := fmt.Sprintf("device %d seq %d", r.device, r.seq)
		if r.kind == malformed {
			what = fmt.Sprintf("malformed record (%v)", r.flaw)
		}
		refused := fmt.Errorf("produce %s: %w", what, err)
		l.refused.Store(&refused)
	}
}

// totals are the ledger's counts at one moment.
type totals struct {
	good, again, malformed, unacked uint64
}

func (t totals) produced() uint64 { return t.good + t.again + t.malformed }

func (l *ledger) totals() totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	return totals{l.good, l.again, l.flawed, uint64(len(l.unacked))}
}

// refusal returns the first error of a record Kafka did not take.
func (l *ledger) refusal() error {
	if refused := l.refused.Load(); refused != nil {
		return *refused
	}
	return nil
}

// owners returns one device of each partition that has one.
func (l *ledger) owners() []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	owners := slices.DeleteFunc(slices.Clone(l.owner), func(device uint32) bool { return device == noOwner })
	slices.Sort(owners)
	return owners
}

// flawAt returns the flaw of the malformed record at c, if there is one.
func (l *ledger) flawAt(c coordinate) (flaw, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.malformed[c]
	return f, ok
}

// Sent is what a run has sent and what therefore has to be stored: of each
// device the readings [0, Seqs[device]), except those in Unacked, which may be
// stored and need not be.
type Sent struct {
	Run     string     `json:"run"`
	Seed    uint64     `json:"seed"`
	Topic   string     `json:"topic"`
	Seqs    []uint32   `json:"seqs"`
	Unacked []identity `json:"unacked,omitempty"`
	// Upgrade is nil if no device could get it.
	Upgrade *Upgraded `json:"upgrade,omitempty"`
}

// good returns how many readings have to be stored.
func (s Sent) good() uint64 {
	n := uint64(0)
	for _, seqs := range s.Seqs {
		n += uint64(seqs)
	}
	return n - uint64(len(s.Unacked))
}

// sent returns what has to be stored of what the fleet has drawn. It is called
// when no record is in flight any more.
func (l *ledger) sent(c Config, f *fleet) (Sent, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Sent{Run: c.Run, Seed: c.Seed, Topic: c.Topic, Seqs: f.next}
	if c.Upgrade.Share > 0 {
		s.Upgrade = &Upgraded{Fields: c.Upgrade.Fields, Encoding: c.Encoding, Readings: f.upgraded}
	}
	for id := range l.unacked {
		s.Unacked = append(s.Unacked, id)
	}
	if s.good() != l.good {
		return s, fmt.Errorf("BUG: %d readings acknowledged, %d expected of %d drawn", l.good, s.good(), s.good()+uint64(len(s.Unacked)))
	}
	return s, nil
}

// Save writes s to a file, whole or not at all.
func (s Sent) Save(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode state of run %s: %w", s.Run, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("save state: %w; name a file in a folder that exists", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already if all went well
	_, err = tmp.Write(text)
	if errClose := tmp.Close(); err == nil {
		err = errClose
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// LoadSent reads what an earlier run has saved.
func LoadSent(path string) (Sent, error) {
	var s Sent
	text, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("load state: %w; name the file a run was given with --state", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("load state %s: %w; it is not the state of a run", path, err)
	}
	if u := s.Upgrade; u != nil && (u.Fields < 1 || u.Fields > len(newFields)) {
		return s, fmt.Errorf("load state %s: an upgrade of %d fields, this release knows %d; use the one that made the run", path, u.Fields, len(newFields))
	}
	if !runName.MatchString(s.Run) || len(s.Seqs) > maxDevices {
		return s, fmt.Errorf("load state %s: run %q of %d devices; it is not the state of a run", path, s.Run, len(s.Seqs))
	}
	return s, nil
}
