package faults

import (
	"fmt"
	"math/rand/v2"

	"penstock/failpoint"
)

// Round is some faults of one scenario, on a topic and tables of its own, so
// that what is found there came of them.
type Round struct {
	Number   int
	Scenario Scenario
	// Place is the round's among those of its scenario, from 0.
	Place int
	// Seed decides everything that is chosen in the round.
	Seed uint64
	// Faults is how many to fire.
	Faults int
	// Points are the failpoints to die at, one a fault; of other scenarios
	// there are none.
	Points []string
}

// Name is what topic, database and logs of the round are called after.
func (r Round) Name() string { return fmt.Sprintf("r%02d-%s", r.Number, r.Scenario) }

// random is the round's source of choices.
func (r Round) random() *rand.Rand { return rand.New(rand.NewPCG(r.Seed, 0x9e3779b97f4a7c15)) }

// Plan cuts the faults into rounds. It follows from the seed and the counts
// alone. A round's own seed depends on nothing but the run's, its scenario and
// its place among that scenario's rounds: a single scenario repeated with
// --only makes the same choices again.
func Plan(seed uint64, only []Scenario, counts map[Scenario]int) []Round {
	var plan []Round
	for _, s := range only {
		source := rand.New(rand.NewPCG(seed, spread(s)))
		left := s.faults(counts[s])
		var points []string
		if s == Failpoints {
			points = shuffledPoints(source, counts[s])
		}
		rounds := ceil(left, scenarios[s].perRound)
		for place := range rounds {
			r := Round{Number: len(plan) + 1, Scenario: s, Place: place, Seed: source.Uint64(), Faults: ceil(left, rounds-place)}
			left -= r.Faults
			if s == Failpoints {
				r.Points, points = points[:r.Faults], points[r.Faults:]
			}
			plan = append(plan, r)
		}
	}
	return plan
}

// shuffledPoints returns each failpoint so many times, in any order, but every
// one of them once before any comes again: so a short round has seen all.
func shuffledPoints(source *rand.Rand, each int) []string {
	var out []string
	for range each {
		names := failpoint.Ingest()
		source.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		out = append(out, names...)
	}
	return out
}

func ceil(n, by int) int { return (n + by - 1) / by }

// spread makes a number of a scenario's name.
func spread(s Scenario) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(s) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
