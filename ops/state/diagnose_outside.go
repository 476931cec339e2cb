package state

import (
	"fmt"
	"slices"
	"time"
)

const (
	// Shares of a disk that are free: below diskLow there is time to act, below
	// diskOut merges of large parts fail already.
	diskLow, diskOut = 0.2, 0.1
	// Seconds until Kafka deletes what is not stored.
	retentionLow, retentionOut = 6 * 3600.0, 3600.0
	// intentsWithin is how old a declared batch gets at most where a node lives.
	intentsWithin = 120.0
)

// ofServers says what is not as it should be of Kafka and ClickHouse, as seen from
// outside of the nodes.
func (s State) ofServers(so []Finding) (all []Finding) {
	say := func(f Finding) { all = append(all, f) }
	for _, k := range s.Kafka {
		s.ofKafka(k, so, say)
	}
	for _, c := range s.ClickHouse {
		s.ofClickHouse(c, found(so, "clickhouse"), say)
	}
	for _, c := range s.Canary {
		if c.P99 == nil && c.Waiting <= Promise || c.P99 != nil && max(*c.P99, c.Waiting) <= Promise {
			continue
		}
		late := c.Waiting
		if c.P99 != nil {
			late = max(late, *c.P99)
		}
		say(Finding{
			ID: "canary", Level: Bad, Of: c.Stream, Runbook: bookCanary,
			What: fmt.Sprintf("what devices send is queryable after %s, not within %s", Seconds(late), Seconds(Promise)),
			Why:  fmt.Sprintf("canaries that the watcher sends itself say so; %d of %d were never seen within %s", c.Lost, c.Sent, Seconds(c.Limit)),
			Do:   "Look at what else is found here: it is the cause. If nothing is, see the parts and merges of ClickHouse.",
		})
	}
	return all
}

func (s State) ofKafka(k Kafka, so []Finding, say func(Finding)) {
	if !k.Up {
		if !found(so, "kafka") {
			say(Finding{
				ID: "kafka", Level: Bad, Of: k.Stream, Runbook: bookLag,
				What: "Kafka does not answer the watcher since " + ago(s.At, k.Since), Why: k.Error,
				Do: "See whether the brokers live and can be reached.",
			})
		}
		return
	}
	var gone int64
	var lost []string
	for _, p := range k.Partitions {
		if p.Gone > 0 {
			gone, lost = gone+p.Gone, append(lost, fmt.Sprint(p.ID))
		}
	}
	if gone > 0 && !found(so, "offset") {
		f := outOfRange(fmt.Sprintf("Kafka has deleted %s records that were not stored", Count(float64(gone))),
			"the committed offset of partition "+several(lost)+" is below the oldest that Kafka has; a node that is given it ends")
		f.Of = k.Stream
		say(f)
	}
	if k.Members == 0 && k.Records > 0 {
		why := "Kafka has no member of the group"
		if p, ok := k.Soonest(); ok { // no stream is shown that could say it
			why += fmt.Sprintf(", and keeps what waits for %s more", Seconds(*p.Retention))
		}
		say(Finding{
			ID: "no-node", Level: Bad, Of: k.Stream, Runbook: bookDeploy,
			What: fmt.Sprintf("no node reads the topic; %s records wait, the oldest for %s", Count(float64(k.Records)), Seconds(k.Seconds)),
			Why:  why,
			Do:   "See why no node lives: the last lines of its log say what ended it. Nothing is lost as long as Kafka keeps it.",
		})
	}
	var oldest float64
	var soonest *float64
	for _, p := range k.Partitions {
		oldest = max(oldest, p.OldestIntent)
		if p.Gone == 0 && p.Lag > 0 && p.Retention != nil && (soonest == nil || *p.Retention < *soonest) {
			soonest = p.Retention
		}
	}
	if soonest != nil && *soonest < retentionLow {
		level := Warn
		if *soonest < retentionOut {
			level = Bad
		}
		say(Finding{
			ID: "retention", Level: level, Of: k.Stream, Runbook: bookOffset,
			What: fmt.Sprintf("Kafka deletes records that are not stored in %s", Seconds(*soonest)),
			Why:  "so much is left between the oldest record Kafka keeps and the first that is not stored",
			Do:   "Raise the topic's retention now; that is quick and can be taken back. Then see why the lag does not shrink.",
		})
	}
	if oldest > intentsWithin {
		say(Finding{
			ID: "settling", Level: Bad, Of: k.Stream, Runbook: bookIntent,
			What: fmt.Sprintf("a batch was declared %s ago and is not confirmed", Seconds(oldest)),
			Why:  "the group's commit says so",
			Do:   "See whether the node that has its partition lives and what its log says. Do not reset offsets.",
		})
	}
}

func (s State) ofClickHouse(c ClickHouse, known bool, say func(Finding)) {
	if !c.Up {
		if !known {
			say(Finding{
				ID: "clickhouse", Level: Bad, Of: c.Name, Runbook: bookLag,
				What: "ClickHouse does not answer the watcher since " + ago(s.At, c.Since), Why: c.Error,
				Do: "See whether its server lives and can be reached.",
			})
		}
		return
	}
	if c.ReadOnly > 0 && !known {
		say(Finding{
			ID: "readonly", Level: Bad, Of: c.Name, Runbook: bookReadOnly,
			What: plural(c.ReadOnly, "replica is", "replicas are") + " read-only", Why: "system.replicas of " + c.Name + " says so",
			Do: "See whether Keeper can be reached from it, and restart the replica.",
		})
	}
	for _, d := range c.Disks {
		share := float64(d.Free) / float64(max(1, d.Total))
		if d.Total == 0 || share >= diskLow {
			continue
		}
		level := Warn
		if share < diskOut {
			level = Bad
		}
		say(Finding{
			ID: "disk", Level: level, Of: c.Name, Runbook: bookDisk,
			What: fmt.Sprintf("the disk %s of ClickHouse has %s left, %.0f %%", d.Name, Bytes(float64(d.Free)), 100*share),
			Why:  fmt.Sprintf("%s of %s are used", Bytes(float64(d.Total-d.Free)), Bytes(float64(d.Total))),
			Do:   "Move cold days to S3: `compactor plan` says which could go. Inserts fail when it is full; nothing is lost then, but late.",
		})
	}
}

// partsPressure says which table has so many parts that ClickHouse slows inserts
// down; empty for none.
func (s State) partsPressure() string {
	for _, c := range s.ClickHouse {
		for _, p := range c.Parts {
			if p.Delay > 0 && p.Most >= p.Delay {
				return fmt.Sprintf("a partition of %s has %d parts, and inserts are slowed down from %d on", p.Table, p.Most, p.Delay)
			}
		}
	}
	return ""
}

// ofPrograms says which programs do not answer or are not ready.
func (s State) ofPrograms(so []Finding) (all []Finding) {
	say := func(f Finding) { all = append(all, f) }
	var away []string
	var since time.Time
	nodes, why := 0, ""
	kinds := map[string]int{}
	for _, p := range s.Peers {
		if p.Away() {
			away, since = append(away, p.Name), earlier(since, p.Since)
			why = p.Error
			kinds[p.Kind]++
		}
	}
	for _, p := range s.Programs {
		if p.Kind == "ingest" {
			nodes++
		}
	}
	if len(away) > 0 {
		level := Warn
		if nodes == 0 {
			level = Bad
		}
		f := Finding{
			ID: "away", Level: level, Runbook: bookDeploy,
			What: fmt.Sprintf("%s of %d: %s, since %s", plural(len(away), "program does not answer", "programs do not answer"), len(s.Peers), several(away), ago(s.At, since)), Why: why,
			Do: "See whether it lives, and what ended it: the last lines of its log.",
		}
		if kinds["ingest"] > 0 {
			f.Do += " Other nodes have taken its partitions over if their lag is small."
		}
		if kinds["compactor"] == len(away) {
			f.Level, f.Runbook = Warn, bookColdLate
		}
		say(f)
	}
	for _, p := range s.Programs {
		switch {
		case p.Draining:
			say(Finding{ID: "draining", Level: Note, Of: p.Name, What: "it was asked to drain, and does nothing until it is started anew", Why: several(p.Problems), Do: "Stop it, or start it anew."})
		case p.Kind == "compactor" && found(so, "pass-failed", "day-failed", "day-damaged"):
		case len(p.Problems) > 0 && !found(so, "clickhouse", "kafka", "offset", "settling"):
			say(Finding{ID: "unready", Level: Warn, Of: p.Name, Runbook: bookDeploy, What: "not ready: " + p.Problems[0], Why: several(p.Problems), Do: "See its log. A node that has just begun takes some seconds."})
		}
		if p.Memory.Budget > 0 && p.Memory.Used > p.Memory.Budget {
			say(Finding{
				ID: "memory", Level: Warn, Of: p.Name, Runbook: bookMemory, What: fmt.Sprintf("it has %s of memory, more than its budget of %s", Bytes(float64(p.Memory.Used)), Bytes(float64(p.Memory.Budget))),
				Why: "the collector runs all the time beyond the budget", Do: "Raise `memory`, or lower what takes it: dedup.blocks, lanes.",
			})
		}
	}
	if f, ok := s.deploy(so, all); ok {
		say(f)
	}
	return all
}

// deploy says that what was started last has another version than the others and does
// not do well.
func (s State) deploy(so, programs []Finding) (Finding, bool) {
	versions := map[string]int{}
	var newest Program
	for _, p := range s.Programs {
		if p.Kind != "ingest" {
			continue
		}
		versions[p.Version]++
		if p.Started.After(newest.Started) {
			newest = p
		}
	}
	ill := len(newest.Problems) > 0 && !newest.Draining || slices.ContainsFunc(s.Streams, func(one Stream) bool {
		return slices.ContainsFunc(one.Failing, func(f Failing) bool { return f.Node == newest.Name && s.lasts(f.Since, failsAfter) })
	})
	if len(versions) < 2 || !ill && !found(so, "rejects") {
		return Finding{}, false
	}
	return Finding{
		ID: "deploy", Level: Bad, Of: newest.Name, Runbook: bookDeploy,
		What: fmt.Sprintf("nodes have %d versions, and things are worse since %s", len(versions), newest.Version),
		Why:  fmt.Sprintf("%s was started %s ago with %s", newest.Name, ago(s.At, newest.Started), newest.Version),
		Do:   "Go back to the version before, then look. Nodes of both read the same topic without harm.",
	}, true
}
