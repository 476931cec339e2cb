package pipeline

import (
	"testing"
	"time"

	"penstock/pipeline/dedup"
	"penstock/schema"
)

// A partition whose gap is closed keeps one window of identities, a while later.
func TestAClosedGapGivesItsWindowBack(t *testing.T) {
	const span = time.Hour
	gap, head := dedup.NewWindow(span, dedup.Sequences), dedup.NewWindow(span, dedup.Sequences)
	dedup.Pair(gap, head)
	one := &tenant{window: head}
	one.behind(&reading{}, gap)
	l := &lane{tenants: map[int32]*tenant{0: one}}
	see := func(w *dedup.Window, seq uint64, at time.Duration) {
		w.Seen(schema.Identity{Device: 1, Seq: seq}, at.Milliseconds(), at.Milliseconds(), 100)
	}
	see(gap, 1, span)
	see(head, 2, 9*span)
	if one.gap == nil || one.gap.window != gap || l.windows() != 2 {
		t.Errorf("with a gap there are %d windows", l.windows())
	}
	one.close()
	see(head, 3, 10*span)
	if one.gap != nil || l.windows() != 1 {
		t.Errorf("%d windows are left, and the gap's tenant is %v", l.windows(), one.gap)
	}
}
