package coldfaults

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Round is some faults of one scenario, on a table and a folder of S3 of its
// own, so that what is found there came of them.
type Round struct {
	Number   int
	Scenario Scenario
	// Seed decides everything that is chosen in the round.
	Seed uint64
	// Points are the places of the faults, one each.
	Points []string
}

// Name is what database, folder and logs of the round are called after.
func (r Round) Name() string { return fmt.Sprintf("r%02d-%s", r.Number, r.Scenario) }

// random is one of the round's sources of choices.
func (r Round) random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(r.Seed, stream)) }

// Plan cuts the faults into rounds. It follows from the seed and the counts
// alone, and a scenario's part of it from nothing else's: repeated with --only
// it makes the same choices again.
func Plan(seed uint64, only []Scenario, counts map[Scenario]int) []Round {
	var plan []Round
	for at, s := range Scenarios() {
		if !slices.Contains(only, s) {
			continue
		}
		source := rand.New(rand.NewPCG(seed, uint64(at)))
		points := shuffled(source, scenarios[s].places, counts[s])
		for part := range slices.Chunk(points, scenarios[s].perRound) {
			plan = append(plan, Round{Number: len(plan) + 1, Scenario: s, Seed: source.Uint64(), Points: part})
		}
	}
	return plan
}

// shuffled returns each place so many times, in any order, but every one of them
// once before any comes again: so a short run has seen all.
func shuffled(source *rand.Rand, places []string, each int) []string {
	var out []string
	for range each {
		names := slices.Clone(places)
		source.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		out = append(out, names...)
	}
	return out
}
