package faults

import (
	"fmt"

	"penstock/loadtest"
)

// facts are what is known of a round once nothing moves any more.
type facts struct {
	// fleet is what was sent, and the proof of each device's exact set.
	fleet loadtest.Result
	// records are those of the topic, by its end offsets.
	records uint64
	// rows and places are count() and uniqExact(_partition, _offset) over hot
	// and sealed.
	rows, places uint64
	// days are the rows of each day and what the rollup says they are.
	days []day
	// lag is what the group has not committed, in records.
	lag int64
}

// day is a day's rows, in the raw table and by the rollup.
type day struct {
	Day         string
	Raw, Rollup uint64
}

// verdict is what the oracle says of a round.
type verdict struct {
	Missing    uint64 // readings acknowledged by Kafka and not stored, and malformed records without a dead letter
	Duplicated uint64 // rows beyond one an identity, or beyond one a Kafka coordinate, whichever are more
	// RollupShort and RollupOver are events the rollup lacked and had too many
	// before it was repaired, added up over the days. Neither is a violation
	// as long as the repair mends it.
	RollupShort, RollupOver uint64
	// Findings is all that is not as it has to be, in words.
	Findings []string
}

// judge holds the facts against each other.
func (f facts) judge() verdict {
	v := verdict{
		Missing:    f.fleet.Missing + f.fleet.Unrejected,
		Duplicated: max(f.fleet.Duplicated, f.rows-min(f.rows, f.places)),
	}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			v.Findings = append(v.Findings, fmt.Sprintf(format, args...))
		}
	}
	check(f.fleet.Verified, "nothing is proven: the proof could not be made")
	check(f.fleet.Produced > 0, "nothing was produced")
	check(f.fleet.Unacked == 0, "%d readings were never acknowledged by Kafka; what became of them is not known", f.fleet.Unacked)
	check(f.fleet.Missing == 0, "%d readings are missing", f.fleet.Missing)
	check(f.fleet.Unrejected == 0, "%d malformed records have no dead letter", f.fleet.Unrejected)
	check(f.fleet.Duplicated == 0, "%d rows are duplicated by identity, %d of them by offset", f.fleet.Duplicated, f.fleet.SamePlace)
	check(f.fleet.Unexpected == 0, "%d rows are of no reading that was sent", f.fleet.Unexpected)
	check(f.fleet.Wrongly == 0, "%d good records were dead-lettered", f.fleet.Wrongly)
	check(f.fleet.OtherReason == 0, "%d records were dead-lettered for another reason than theirs", f.fleet.OtherReason)

	check(f.records == f.fleet.Produced, "the topic holds %d records, %d were produced", f.records, f.fleet.Produced)
	check(f.rows == f.places, "count() is %d, uniqExact(_partition, _offset) is %d", f.rows, f.places)
	want := f.fleet.Produced - f.fleet.Resent - f.fleet.MalformedSent
	check(f.rows == want, "count() is %d; produced %d less %d resends less %d malformed are %d",
		f.rows, f.fleet.Produced, f.fleet.Resent, f.fleet.MalformedSent, want)
	check(f.fleet.Rejected == f.fleet.MalformedSent, "%d records are in the dead-letter topic, %d malformed ones were sent", f.fleet.Rejected, f.fleet.MalformedSent)
	check(f.lag == 0, "%d records are not committed", f.lag)

	for _, d := range f.days {
		switch {
		case d.Rollup < d.Raw:
			v.RollupShort += d.Raw - d.Rollup
		case d.Rollup > d.Raw:
			v.RollupOver += d.Rollup - d.Raw
		}
	}
	return v
}

// daysThatDiffer are the days whose rollup is not what the rows are.
func (f facts) daysThatDiffer() (days []string) {
	for _, d := range f.days {
		if d.Rollup != d.Raw {
			days = append(days, d.Day)
		}
	}
	return days
}
