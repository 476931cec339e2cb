package gate

import (
	"maps"
	"slices"

	"penstock/loadtest"
)

type interval = loadtest.Interval

// intervals is a figure of each second of a run.
func intervals(name string, r Run, of func(interval) float64) series {
	s := series{Name: name}
	for _, i := range r.Result.Intervals {
		s.at, s.value = append(s.at, i.From), append(s.value, of(i))
	}
	return s
}

// samples is a value of each sample that has one.
func samples(name string, r Run, of func(Sample) (float64, bool)) series {
	s := series{Name: name}
	for _, one := range r.Samples {
		if v, ok := of(one); ok {
			s.at, s.value = append(s.at, one.At), append(s.value, v)
		}
	}
	return s
}

// rates are how many live readings were sent and became visible a second.
func rates(r Run) []series {
	sent, seen := series{Name: "sent"}, series{Name: "visible"}
	before := loadtest.Moment{}
	for _, m := range r.Result.Moments {
		if over := m.At - before.At; over > 0 {
			sent.at, sent.value = append(sent.at, m.At), append(sent.value, round(float64(m.Live-before.Live)/over, 1))
			seen.at, seen.value = append(seen.at, m.At), append(seen.value, round(float64(m.Seen-before.Seen)/over, 1))
		}
		before = m
	}
	return []series{sent, seen}
}

// cpu is what each program used, in percent of a core.
func cpu(r Run) []series {
	var all []series
	for _, program := range programs(r, func(s Sample) map[string]float64 { return s.CPU }) {
		s := series{Name: program}
		for i := 1; i < len(r.Samples); i++ {
			from, to := r.Samples[i-1], r.Samples[i]
			if over := to.At - from.At; over > 0 {
				s.at, s.value = append(s.at, to.At), append(s.value, round(100*(to.CPU[program]-from.CPU[program])/over, 1))
			}
		}
		all = append(all, s)
	}
	return all
}

// memory is what each program held.
func memory(r Run) []series {
	var all []series
	for _, program := range programs(r, func(s Sample) map[string]float64 { return s.MiB }) {
		all = append(all, samples(program, r, func(s Sample) (float64, bool) { v, ok := s.MiB[program]; return v, ok }))
	}
	return all
}

// programs are those that any sample has, the product's first.
func programs(r Run, of func(Sample) map[string]float64) []string {
	seen := map[string]bool{}
	for _, s := range r.Samples {
		for program := range of(s) {
			seen[program] = true
		}
	}
	names := slices.Sorted(maps.Keys(seen))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case a == "ingest" && b != "ingest":
			return -1
		case b == "ingest" && a != "ingest":
			return 1
		}
		return 0
	})
	return names
}
