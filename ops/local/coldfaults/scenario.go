package coldfaults

import (
	"fmt"
	"slices"
	"strings"

	"penstock/failpoint"
)

// Scenario is one kind of fault.
type Scenario string

// The scenarios, in the order they run.
const (
	Failpoints     Scenario = "failpoints"      // a compactor dies at a named place in its own code
	Zombie         Scenario = "zombie"          // it stands still there past its lease, and then goes on
	S3             Scenario = "s3"              // requests to S3 are refused, delayed, cut, or carried out and not answered
	ClickHouseKill Scenario = "clickhouse-kill" // kill -9 of ClickHouse while a day moves or is dropped
)

// about is how often a scenario's fault is fired, and how its rounds are cut.
type about struct {
	// short and long are the numbers of faults of the two kinds of run; of
	// failpoints and zombies, at each place.
	short, long int
	// perRound bounds a round: what is found is found in one round, and the files
	// of its late rows become many.
	perRound int
	// places are where the scenario's faults happen: failpoints, or requests.
	places []string
	// alone: it breaks what other rounds use.
	alone bool
	// excuses: passes may fail by its faults, and have to get over it.
	excuses bool
	// flag and help are those of the command.
	flag, help string
}

var scenarios = map[Scenario]about{
	Failpoints:     {1, 20, 20, failpoint.Compactor(), false, false, "failpoints", "deaths at each failpoint"},
	Zombie:         {1, 20, 10, []string{"view.before", "moving.before", "move.before", "publish.before", "cutover.shown", "drop.before"}, false, false, "zombies", "compactors frozen at each place that matters"},
	S3:             {1, 10, 44, requestFaults(), false, true, "s3-faults", "times of each fault of S3"},
	ClickHouseKill: {2, 20, 10, []string{"move.before", "drop.before"}, true, true, "clickhouse-kills", "kills of ClickHouse around a move, and around a drop"},
}

// Scenarios returns all scenarios in the order they run.
func Scenarios() []Scenario { return []Scenario{Failpoints, Zombie, S3, ClickHouseKill} }

// ParseScenarios reads the names of scenarios; none means all of them.
func ParseScenarios(names []string) ([]Scenario, error) {
	if len(names) == 0 {
		return Scenarios(), nil
	}
	var out []Scenario
	for _, name := range names {
		s := Scenario(strings.TrimSpace(name))
		if _, ok := scenarios[s]; !ok {
			return nil, fmt.Errorf("--only names %q; there are %v", name, Scenarios())
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// Flag is the name and the help of the flag that says how many faults of the
// scenario there are.
func (s Scenario) Flag() (name, help string) { return scenarios[s].flag, scenarios[s].help }

// Mode is a kind of run.
type Mode string

// The modes: Short is for every change, Long is the proof.
const (
	Short Mode = "short"
	Long  Mode = "long"
)

// Counts is how many faults of each scenario the mode fires.
func (m Mode) Counts() (map[Scenario]int, error) {
	counts := map[Scenario]int{}
	for s, a := range scenarios {
		switch m {
		case Short:
			counts[s] = a.short
		case Long:
			counts[s] = a.long
		default:
			return nil, fmt.Errorf("mode %q; there are short and long", m)
		}
	}
	return counts, nil
}
