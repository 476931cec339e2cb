package tiering

import (
	"fmt"
	"time"

	"penstock/schema"
)

// Restoration is the stay of a cold day's rows in ClickHouse. The day's sealed
// partition holds them, or some of them; the files stay where they are.
type Restoration struct {
	// Version is that of the manifest in which the stay began. It is part of the
	// insert tokens, so that no stay takes the blocks of another for its own.
	Version int       `json:"version"`
	Since   time.Time `json:"since"`
	// Until: from then on a pass releases the day.
	Until time.Time `json:"until"`
	// ShownAt: the sealed partition holds every row of the files, and the view
	// reads it instead of them. Until then it leaves it out.
	ShownAt *time.Time `json:"shown_at,omitempty"`
	// ReleasedAt: the view reads the files again and leaves the sealed partition
	// out, which is to be dropped.
	ReleasedAt *time.Time `json:"released_at,omitempty"`
}

// resumeWithin is how long after its beginning a loading that was interrupted
// is gone on with. ClickHouse has to remember the tokens of all its blocks: a
// replicated table does so for an hour by default, a plain one until the
// partition is dropped. Later, what was loaded is dropped and loaded anew.
const resumeWithin = 45 * time.Minute

// restored reports whether rows of the day's files may be in its sealed
// partition. Then no generation of the day is open, none is sealed, and no
// file of it may be replaced.
func (m *Manifest) restored() bool { return m != nil && m.Restored != nil }

// shown reports whether the view reads the sealed partition and not the files.
func (r *Restoration) shown() bool { return r != nil && r.ShownAt != nil && r.ReleasedAt == nil }

// token names one block of the day's files in the inserts of this stay.
func (r *Restoration) token(table string, day schema.Day, file string, block int) string {
	return fmt.Sprintf("restore/%s/%s/v%d/%s/%d", table, day, r.Version, file, block)
}

// whileRestored is the next step of a day that is restored. Late rows stay hot
// meanwhile: a sealed partition is one thing at a time.
func (s Step) whileRestored(now time.Time, r *Restoration, p Policy) Step {
	switch {
	case r.ReleasedAt != nil:
		s.State, s.Action, s.Due = Released, Drop, r.ReleasedAt.Add(p.Grace)
	case r.ShownAt != nil:
		s.State, s.Action, s.Due = Restored, Release, r.Until
	case now.Before(r.Until) && now.Before(r.Since.Add(resumeWithin)):
		s.State, s.Action = Loading, Load
	default:
		s.State, s.Action = Loading, Release
	}
	return s
}
