package faults

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"penstock/failpoint"
)

func long(t *testing.T) map[Scenario]int {
	t.Helper()
	counts, err := Long.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestPlanFollowsFromTheSeed(t *testing.T) {
	counts := long(t)
	if a, b := Plan(7, Scenarios(), counts), Plan(7, Scenarios(), counts); !reflect.DeepEqual(a, b) {
		t.Error("the same seed made two plans")
	}
	if a, b := Plan(7, Scenarios(), counts), Plan(8, Scenarios(), counts); reflect.DeepEqual(a, b) {
		t.Error("two seeds made the same plan")
	}
}

// A scenario that found something is repeated alone with what it did then.
func TestPlanOfOneScenarioIsThatOfAll(t *testing.T) {
	counts := long(t)
	for _, s := range Scenarios() {
		var among []Round
		for _, r := range Plan(7, Scenarios(), counts) {
			if r.Scenario == s {
				r.Number = 0
				among = append(among, r)
			}
		}
		alone := Plan(7, []Scenario{s}, counts)
		for i := range alone {
			alone[i].Number = 0
		}
		if !reflect.DeepEqual(among, alone) {
			t.Errorf("%s alone is planned as\n%+v\nand among the others as\n%+v", s, alone, among)
		}
	}
}

func TestPlanFiresWhatIsAskedFor(t *testing.T) {
	counts := long(t)
	fired, points := map[Scenario]int{}, map[string]int{}
	seeds := map[uint64]bool{}
	for i, r := range Plan(1, Scenarios(), counts) {
		if r.Number != i+1 {
			t.Errorf("round %d has number %d", i+1, r.Number)
		}
		if r.Faults < 1 || r.Faults > scenarios[r.Scenario].perRound {
			t.Errorf("%s fires %d faults, bound %d", r.Name(), r.Faults, scenarios[r.Scenario].perRound)
		}
		if seeds[r.Seed] {
			t.Errorf("%s has another round's seed", r.Name())
		}
		seeds[r.Seed] = true
		fired[r.Scenario] += r.Faults
		for _, p := range r.Points {
			points[p]++
		}
		if r.Scenario == Failpoints && len(r.Points) != r.Faults {
			t.Errorf("%s has %d points for %d faults", r.Name(), len(r.Points), r.Faults)
		}
	}
	for s, want := range counts {
		if s == Failpoints {
			want *= len(failpoint.Ingest())
		}
		if fired[s] != want {
			t.Errorf("%s: %d faults are planned, %d asked for", s, fired[s], want)
		}
	}
	for _, p := range failpoint.Ingest() {
		if points[p] != counts[Failpoints] {
			t.Errorf("failpoint %s is planned %d times, asked for %d", p, points[p], counts[Failpoints])
		}
	}
}

// What the issue of a long run is measured by.
func TestLongIsTheProof(t *testing.T) {
	counts := long(t)
	for s, least := range map[Scenario]int{Kill: 200, Failpoints: 20, Rebalance: 50, Zombie: 20, ClickHouseKill: 50,
		Network: 200, LostAnswer: 100, Overflow: 5, BrokerKill: 10, Coordinator: 1, DeadLetters: 1, DiskFull: 1} {
		if counts[s] < least {
			t.Errorf("a long run fires %d of %s, the proof takes %d", counts[s], s, least)
		}
	}
}

func TestShortHasEveryScenarioAndFailpoint(t *testing.T) {
	counts, err := Short.Counts()
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, r := range Plan(1, Scenarios(), counts) {
		seen = append(seen, string(r.Scenario))
		seen = append(seen, r.Points...)
	}
	for _, s := range Scenarios() {
		if !slices.Contains(seen, string(s)) {
			t.Errorf("%s is not in a short run", s)
		}
	}
	for _, p := range failpoint.Ingest() {
		if !slices.Contains(seen, p) {
			t.Errorf("failpoint %s is not in a short run", p)
		}
	}
}

func TestPlanWithoutFaults(t *testing.T) {
	if plan := Plan(1, Scenarios(), map[Scenario]int{}); len(plan) > 0 {
		t.Errorf("nothing was asked for, planned are %+v", plan)
	}
}

func TestScenariosAreComplete(t *testing.T) {
	if len(Scenarios()) != len(scenarios) || len(Scenarios()) != len(playbook) {
		t.Errorf("%d scenarios run, %d are described, %d can be played", len(Scenarios()), len(scenarios), len(playbook))
	}
	for _, s := range Scenarios() {
		if scenarios[s].flag == "" || playbook[s] == nil {
			t.Errorf("%s is not complete", s)
		}
	}
}

func TestParseScenarios(t *testing.T) {
	if got, err := ParseScenarios([]string{"zombie", "kill"}); err != nil || !slices.Equal(got, []Scenario{Zombie, Kill}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := ParseScenarios(nil); err != nil || len(got) != len(Scenarios()) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ParseScenarios([]string{"zombies"}); err == nil || !strings.Contains(err.Error(), `"zombies"; there are kill failpoints`) {
		t.Errorf("got %v", err)
	}
	if _, err := Mode("medium").Counts(); err == nil || !strings.Contains(err.Error(), "medium") {
		t.Errorf("got %v", err)
	}
}
