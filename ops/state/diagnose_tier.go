package state

import "fmt"

// ofTable says what is not as it should be of a compactor's table. That passes do not
// reach a ClickHouse of which it is known to be away says nothing of S3, and their
// runbook is S3's.
func (s State) ofTable(t Table, away bool) (all []Finding) {
	away = away && t.Failing != nil && t.Failing.Cause == CauseAway
	say := func(f Finding) {
		f.Of = t.Name
		all = append(all, f)
	}
	for _, d := range t.Days {
		switch {
		case d.Damaged:
			say(Finding{
				ID: "day-damaged", Level: Bad, Runbook: bookS3, What: fmt.Sprintf("the day %s is not what its manifest says", d.Day), Why: d.Error,
				Do: "Nothing of it is dropped before a person has looked. `compactor verify` names every file and what is wrong with it.",
			})
		case d.Error != "" && !away:
			say(Finding{
				ID: "day-failed", Level: Warn, Runbook: bookS3, What: fmt.Sprintf("the day %s could not be moved: %s failed", d.Day, d.NextAction), Why: d.Error,
				Do: "Both copies stay, and the next pass tries again. See whether S3 and ClickHouse can be reached by the compactor, and what they refuse.",
			})
		}
	}
	if f := t.Failing; f != nil && len(all) == 0 && !away {
		found := Finding{
			ID: "pass-failed", Level: Warn, Runbook: bookS3, What: fmt.Sprintf("no day is moved since %s: the compactor's passes fail", ago(s.At, f.Since)),
			Why: fmt.Sprintf("%d in a row: %s", f.Times, f.Error), Do: "See whether S3 and ClickHouse can be reached by the compactor, and what they refuse. Days stay hot meanwhile, so watch the disk.",
		}
		switch f.Cause {
		case CauseDisk:
			found.Runbook = bookDisk
		case CauseReadOnly:
			found.Runbook = bookReadOnly
		}
		say(found)
	}
	return all
}

// ofDays says which tables have days that should be cold.
func (s State) ofDays() (all []Finding) {
	for _, d := range s.Days {
		if d.Due > 0 && d.Seconds > d.Due {
			all = append(all, Finding{
				ID: "untiered", Level: Warn, Of: d.Table, Runbook: bookColdLate,
				What: fmt.Sprintf("the day %s should be cold since %s", d.Oldest, Seconds(d.Seconds-d.Due)),
				Why:  fmt.Sprintf("%d days are hot and %d sealed", d.Hot, d.Sealed),
				Do:   "See whether a compactor runs and what its last pass says: `compactor plan` names the next step of each day.",
			})
		}
	}
	return all
}
