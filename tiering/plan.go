package tiering

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"penstock/schema"
)

// Partition is what ClickHouse holds of one day in the hot and in the sealed
// table.
type Partition struct {
	Day                     schema.Day
	HotRows, HotBytes       uint64
	SealedRows, SealedBytes uint64
}

// Action is a step of a day's way to the cold tier.
type Action string

// The actions, in the order a day goes through them.
const (
	Nothing Action = "nothing" // what is here is where it belongs
	Seal    Action = "seal"    // move the hot partition to the sealed table
	Export  Action = "export"  // write, verify and publish the sealed partition
	CutOver Action = "cut over"
	Expire  Action = "expire" // drop the sealed partition
	Merge   Action = "merge"  // make small generations of a cold day one
	Retire  Action = "retire" // list a day no more that is older than days are kept
	// And those of a day that is restored.
	Load    Action = "load"    // insert the rows of the files, and have the view read them
	Release Action = "release" // have the view read the files again
	Drop    Action = "drop"    // drop what was loaded
)

// Actions returns every action that is one.
func Actions() []Action {
	return []Action{Seal, Export, CutOver, Expire, Merge, Retire, Load, Release, Drop}
}

// State says where a day's rows are.
type State string

// The states of a day.
const (
	Hot       State = "hot"
	Sealed    State = "sealed"
	Published State = "published" // in a manifest, not yet in the view
	Cut       State = "cut over"  // the view reads the files; sealed rows remain
	Cold      State = "cold"      // files only, or with late rows in the hot table
	Retired   State = "retired"   // nothing of it is kept

	Loading  State = "loading"  // the view reads the files; their rows come into the sealed table
	Restored State = "restored" // the view reads the sealed rows and not the files
	Released State = "released" // the view reads the files; sealed rows remain
)

// States returns every state.
func States() []State {
	return []State{Hot, Sealed, Published, Cut, Cold, Retired, Loading, Restored, Released}
}

// Step is what comes next for a day.
type Step struct {
	Day        schema.Day
	State      State
	Action     Action
	Generation int // that the action is about
	// Due is when the action may be done; zero for at once.
	Due time.Time
	Partition
	// Of the files of all generations.
	ColdRows  uint64
	ColdBytes int64
}

// String says what the step does.
func (s Step) String() string {
	switch s.Action {
	case Load, Release, Drop: // which are about all of the day
		return fmt.Sprintf("%s %s", s.Action, s.Day)
	}
	return fmt.Sprintf("%s %s, generation %d", s.Action, s.Day, s.Generation)
}

// Ready reports whether the action may be done now.
func (s Step) Ready(now time.Time) bool { return s.Action != Nothing && !s.Due.After(now) }

// Plan returns the next step of every day that has rows anywhere, oldest first.
// It does no I/O.
func Plan(now time.Time, partitions []Partition, manifests map[schema.Day]*Manifest, p Policy) []Step {
	days := make(map[schema.Day]Partition)
	for day := range manifests {
		days[day] = Partition{Day: day}
	}
	for _, part := range partitions {
		days[part.Day] = part
	}
	steps := make([]Step, 0, len(days))
	for day, part := range days {
		if part.HotRows > 0 || part.SealedRows > 0 || manifests[day] != nil {
			steps = append(steps, Next(now, part, manifests[day], p))
		}
	}
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Compare(a.Day, b.Day) })
	return steps
}

// Next returns a day's next step. The order of the cases is the protocol: an
// open generation is finished before anything else of its day begins, and what
// is sealed is exported before more is sealed.
func Next(now time.Time, part Partition, m *Manifest, p Policy) Step {
	s := Step{Day: part.Day, Partition: part, ColdRows: m.Rows(), ColdBytes: m.Bytes(), Generation: m.nextGeneration()}
	switch g := m.open(); {
	case m.restored():
		return s.whileRestored(now, m.Restored, p)
	case g != nil && g.CutOverAt == nil:
		s.State, s.Action, s.Generation = Published, CutOver, g.Generation
	case g != nil:
		s.State, s.Action, s.Generation = Cut, Expire, g.Generation
		s.Due = g.CutOverAt.Add(p.Grace)
	case part.SealedRows > 0:
		s.State, s.Action = Sealed, Export
	case m.retires(now, part.Day, p):
		s.State, s.Action, s.Generation = Cold, Retire, m.LastGeneration
	case m.mergeable(p) != nil:
		s.State, s.Action = Cold, Merge
	case part.HotRows > 0:
		s.State, s.Action, s.Due = Hot, Seal, coldAt(part.Day, p)
		if m != nil {
			s.State = Cold
			if next := m.published().Add(p.LateEvery); next.After(s.Due) {
				s.Due = next
			}
		}
	case m != nil && m.RetiredAt != nil:
		s.State, s.Action = Retired, Nothing
	default:
		s.State, s.Action = Cold, Nothing
	}
	return s
}

// coldAt is when a day is older than the policy's hot days: with 30 of them, on
// the 31st midnight after its end.
func coldAt(day schema.Day, p Policy) time.Time {
	return (day + schema.Day(p.HotDays) + 1).Start()
}

// daysOf returns the days of manifests, oldest first.
func daysOf(manifests map[schema.Day]*Manifest) []schema.Day {
	return slices.Sorted(maps.Keys(manifests))
}
