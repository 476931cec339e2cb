package coldfaults

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"penstock/failpoint"
)

// Every place comes as often as was asked for, and each once before any comes
// again.
func TestPlan(t *testing.T) {
	counts, err := Long.Counts()
	if err != nil {
		t.Fatal(err)
	}
	plan := Plan(7, Scenarios(), counts)
	seen := map[Scenario][]string{}
	for i, r := range plan {
		if r.Number != i+1 || len(r.Points) == 0 || len(r.Points) > scenarios[r.Scenario].perRound {
			t.Errorf("round %d is %+v", i+1, r)
		}
		seen[r.Scenario] = append(seen[r.Scenario], r.Points...)
	}
	for s, a := range scenarios {
		places := slices.Sorted(slices.Values(a.places))
		if got := len(seen[s]); got != counts[s]*len(places) {
			t.Errorf("%d faults of %s, want %d of each of %d", got, s, counts[s], len(places))
			continue
		}
		for part := range slices.Chunk(seen[s], len(places)) {
			if !slices.Equal(slices.Sorted(slices.Values(part)), places) {
				t.Errorf("%s: %v are not all of its places", s, part)
			}
		}
		for _, place := range places {
			if s != S3 && !slices.Contains(failpoint.Compactor(), place) {
				t.Errorf("%s: a compactor has no failpoint %s", s, place)
			}
		}
	}
	if len(scenarios[Failpoints].places) < 12 || counts[Failpoints] < 20 {
		t.Errorf("the long run dies %d times at each of %d places; want 20 at 12 or more", counts[Failpoints], len(scenarios[Failpoints].places))
	}
}

func TestPlanFollowsFromTheSeed(t *testing.T) {
	counts, err := Short.Counts()
	if err != nil {
		t.Fatal(err)
	}
	of := func(seed uint64, only ...Scenario) (rounds []Round) {
		for _, r := range Plan(seed, only, counts) {
			if r.Scenario == Zombie {
				r.Number = 0
				rounds = append(rounds, r)
			}
		}
		return rounds
	}
	all := of(7, Scenarios()...)
	if alone := of(7, Zombie); !reflect.DeepEqual(alone, all) {
		t.Errorf("by itself the scenario is %v, with others %v", alone, all)
	}
	if other := of(8, Scenarios()...); reflect.DeepEqual(other, all) {
		t.Errorf("seeds 7 and 8 choose the same: %v", all)
	}
}

func TestParse(t *testing.T) {
	got, err := ParseScenarios([]string{"zombie", " failpoints", "zombie"})
	if err != nil || !slices.Equal(got, []Scenario{Zombie, Failpoints}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ParseScenarios([]string{"zombies"}); err == nil || !strings.Contains(err.Error(), `--only names "zombies"; there are [failpoints`) {
		t.Errorf("got %v", err)
	}
	if _, err := Mode("quick").Counts(); err == nil || !strings.Contains(err.Error(), `mode "quick"; there are short and long`) {
		t.Errorf("got %v", err)
	}
}

func TestFailures(t *testing.T) {
	log := `level=INFO msg="pass done"
level=ERROR msg="pass failed" error="publish: another compactor holds the lease: it replaced fence 3"
level=ERROR msg="pass failed" error="read telemetry/lease.json: its SHA-256 is 01, it was stored with 02"
level=ERROR msg="pass failed" error="7 rows read back, 8 written"
level=INFO msg="pass left to another compactor"
`
	if got := failures(log); len(got) != 1 || !strings.Contains(got[0], "7 rows read back") {
		t.Errorf("got %q, want the one that does not match", got)
	}
}
