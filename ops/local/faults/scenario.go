package faults

import (
	"fmt"
	"slices"
	"strings"

	"penstock/failpoint"
)

// Scenario is one kind of fault, and the load and recovery around it.
type Scenario string

// The scenarios, in the order they run.
const (
	Kill           Scenario = "kill"            // kill -9 of nodes at random instants
	Failpoints     Scenario = "failpoints"      // a node dies at a named place in its own code
	Rebalance      Scenario = "rebalance"       // nodes come and go in order
	Zombie         Scenario = "zombie"          // a node stands still past its session, and then goes on
	ClickHouseKill Scenario = "clickhouse-kill" // kill -9 of ClickHouse while rows are on the way
	Network        Scenario = "network"         // connections reset, hung, cut, delayed
	LostAnswer     Scenario = "lost-answer"     // rows are stored and nobody says so
	Overflow       Scenario = "overflow"        // tokens are forgotten while intents are pending
	BrokerKill     Scenario = "broker-kill"     // kill -9 of Kafka
	Coordinator    Scenario = "coordinator"     // the group's coordinator refuses, forgets, or goes away
	DeadLetters    Scenario = "dlq"             // no dead letter arrives
	DiskFull       Scenario = "disk-full"       // ClickHouse has no room
	Backlog        Scenario = "backlog"         // nodes that read what is fresh first die in the middle of it
)

// about is how often a scenario's fault is fired, and how its rounds are cut.
type about struct {
	// short and long are the numbers of faults of the two kinds of run; of
	// failpoints, of each.
	short, long int
	// perRound bounds a round: what is found is found in one round, and a
	// shorter one is easier to look into; but each has a start and an end
	// of some ten seconds.
	perRound int
	// flag and help are those of the command.
	flag, help string
}

var scenarios = map[Scenario]about{
	Kill:           {4, 200, 50, "kills", "kills of a node"},
	Failpoints:     {1, 20, 70, "failpoints", "deaths at each failpoint"},
	Rebalance:      {3, 50, 25, "rebalances", "nodes added or removed"},
	Zombie:         {2, 20, 10, "zombies", "nodes stopped past their session"},
	ClickHouseKill: {2, 50, 25, "clickhouse-kills", "kills of ClickHouse"},
	Network:        {9, 200, 100, "network-faults", "network faults"},
	LostAnswer:     {4, 100, 50, "lost-answers", "answers of ClickHouse lost"},
	Overflow:       {1, 5, 5, "overflows", "overflows of the token window"},
	BrokerKill:     {1, 10, 5, "broker-kills", "kills of Kafka"},
	Coordinator:    {4, 20, 20, "coordinator-faults", "faults of the group's coordinator"},
	DeadLetters:    {2, 6, 6, "dlq-outages", "outages of the dead-letter topic"},
	DiskFull:       {3, 12, 12, "disk-full", "times ClickHouse has no room"},
	Backlog:        {2, 30, 10, "backlogs", "backlogs in which nodes are killed"},
}

// Scenarios returns all, in the order they run.
func Scenarios() []Scenario {
	return []Scenario{Kill, Failpoints, Rebalance, Zombie, ClickHouseKill, Network, LostAnswer, Overflow, BrokerKill, Coordinator, DeadLetters, DiskFull, Backlog}
}

// Flag returns the flag for the scenario's number of faults, and its help.
func (s Scenario) Flag() (name, help string) { return scenarios[s].flag, scenarios[s].help }

// ParseScenarios reads a list of names; empty means all.
func ParseScenarios(names []string) ([]Scenario, error) {
	if len(names) == 0 {
		return Scenarios(), nil
	}
	var out []Scenario
	for _, name := range names {
		s := Scenario(name)
		if !slices.Contains(Scenarios(), s) {
			return nil, fmt.Errorf("--only names %q; there are %s", name, strings.Trim(fmt.Sprint(Scenarios()), "[]"))
		}
		out = append(out, s)
	}
	return out, nil
}

// Mode is how long a run is.
type Mode string

// Short runs every scenario in some seven minutes; Long is the proof.
const (
	Short Mode = "short"
	Long  Mode = "long"
)

// Counts returns the number of faults of each scenario.
func (m Mode) Counts() (map[Scenario]int, error) {
	counts := map[Scenario]int{}
	for s, a := range scenarios {
		switch m {
		case Short:
			counts[s] = a.short
		case Long:
			counts[s] = a.long
		default:
			return nil, fmt.Errorf("the kind of run is %q; there are short and long", m)
		}
	}
	return counts, nil
}

// faults returns how many faults are asked for when a scenario is given a
// number: of failpoints it is so many of each.
func (s Scenario) faults(count int) int {
	if s == Failpoints {
		return count * len(failpoint.Ingest())
	}
	return count
}
