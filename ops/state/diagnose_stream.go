package state

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/ops/scaling"
)

const (
	// failsAfter is how long something fails before it is said: a retry or two is
	// nobody's concern.
	failsAfter = 3 * time.Second
	// settlesWithin is how long a takeover takes at most where all is well.
	settlesWithin = 30 * time.Second
	// storesWithin is how long a batch is on its way at most where nothing fails:
	// twice clickhouse.insert_timeout.
	storesWithin = time.Minute
	// busy is the share of their cores from which on nodes have no time to do more; it
	// is scaling's.
	busy = 0.6
)

// ofStream says what is not as it should be of a stream.
func (s State) ofStream(one Stream) (all []Finding) {
	say := func(f Finding) {
		f.Of = one.Name
		all = append(all, f)
	}
	if f, ok := s.storing(one); ok {
		say(f)
	}
	if f, ok := s.reading(one); ok {
		say(f)
	}
	if f, ok := s.settling(one); ok && !found(all, "clickhouse", "settling") {
		say(f)
	}
	if len(all) == 0 { // what is held up altogether shows nothing of keys
		for _, f := range s.hot(one) {
			say(f)
		}
	}
	if f, ok := s.behind(one, all); ok {
		say(f)
	}
	if one.Rejects.High {
		say(s.rejecting(one))
	}
	return all
}

// storing says that ClickHouse takes no inserts.
func (s State) storing(one Stream) (Finding, bool) {
	worst := Failing{}
	nodes := map[string]bool{}
	for _, f := range one.Failing {
		// An open breaker is reason enough, and the error says of what.
		if !slices.Contains([]string{"insert", "settle", "check"}, f.What) || !s.lasts(f.Since, failsAfter) && len(one.Breakers) == 0 {
			continue
		}
		nodes[f.Node] = true
		if worst.What == "" || f.Since.Before(worst.Since) {
			worst = f
		}
	}
	for _, b := range one.Breakers {
		nodes[b.Node] = true
		if worst.Since.IsZero() || b.Since.Before(worst.Since) {
			worst.Since = b.Since
		}
	}
	if len(nodes) == 0 {
		return Finding{}, false
	}
	why := fmt.Sprintf("on %d of %d nodes inserts fail", len(nodes), max(len(nodes), len(one.Nodes)))
	if n := len(one.Breakers); n > 0 {
		why += fmt.Sprintf(", with the circuit breaker of %d open", n)
	}
	if worst.Error != "" {
		why += fmt.Sprintf("; %s failed %d times: %s", worst.What, worst.Times, worst.Error)
	}
	waiting := fmt.Sprintf("%s records wait in Kafka, the oldest for %s", Count(float64(one.Backlog.Records)), Seconds(one.Backlog.Seconds))
	f := Finding{ID: "clickhouse", Level: Bad, Why: why, Runbook: bookLag}
	since := ago(s.At, worst.Since)
	switch worst.Cause {
	case CauseReadOnly:
		f.What, f.Runbook = fmt.Sprintf("ClickHouse is read-only since %s; %s", since, waiting), bookReadOnly
		f.Do = "Find out why the table takes no writes: a lost Keeper session, a full disk or a setting of the user. Nothing is lost meanwhile; nodes go on by themselves."
	case CauseDisk:
		f.What, f.Runbook = fmt.Sprintf("ClickHouse has no space left since %s; %s", since, waiting), bookDisk
		f.Do = "Make room on ClickHouse's disk: cold days first. Nothing is lost meanwhile; nodes go on by themselves."
	case CauseParts:
		f.What, f.Runbook = fmt.Sprintf("ClickHouse refuses inserts for too many parts since %s; %s", since, waiting), bookParts
		f.Do = "See what its merges wait for. More nodes make it worse; nodes send larger batches by themselves."
	case CauseMemory:
		f.What = fmt.Sprintf("ClickHouse is short of memory since %s; %s", since, waiting)
		f.Do = "See which queries take it, and end them. Nothing is lost meanwhile; nodes go on by themselves."
	case CauseAccess:
		f.What, f.Runbook = fmt.Sprintf("ClickHouse refuses the nodes' user since %s; %s", since, waiting), bookDeploy
		f.Do = "Compare user, password, grants and quota with what was deployed last: `ingest check` names each."
	case CauseAway, "":
		f.What = fmt.Sprintf("ClickHouse does not answer since %s; %s", since, waiting)
		f.Do = "See whether its server lives and can be reached from a node. Nothing is lost meanwhile: nodes go on by themselves as soon as it answers; do not restart them."
	default:
		f.What = fmt.Sprintf("ClickHouse takes no inserts since %s; %s", since, waiting)
		f.Do = "Read the error: it names the value and the remedy. Nothing is lost meanwhile."
	}
	if worst.What == "settle" && worst.Cause == CauseOther {
		f.ID, f.Runbook = "settling", bookIntent
		f.What = fmt.Sprintf("what an earlier node declared cannot be settled since %s, and its partition is not read; %s", since, waiting)
		f.Do = "Read the error: it says what settling waits for. Do not reset offsets. Nothing is lost meanwhile."
	}
	if worst.What == "check" {
		f.What = fmt.Sprintf("nodes cannot begin since %s: what they need does not answer; %s", since, waiting)
		f.Do = "Run `ingest check` with a node's config: it reaches everything and names every fault."
	}
	return f, true
}

// reading says that Kafka does not answer, or not with what was asked for.
func (s State) reading(one Stream) (Finding, bool) {
	for _, f := range one.Failing {
		if !slices.Contains([]string{"read", "commit", "dead-letter"}, f.What) || !s.lasts(f.Since, failsAfter) {
			continue
		}
		why := fmt.Sprintf("on node %s %s failed %d times since %s: %s", f.Node, f.What, f.Times, ago(s.At, f.Since), f.Error)
		if f.Cause == CauseOffset {
			return outOfRange("Kafka has deleted records that were not stored: the committed offset is out of range", why), true
		}
		return Finding{
			ID: "kafka", Level: Bad, Runbook: bookLag, Why: why,
			What: fmt.Sprintf("Kafka does not answer since %s: %s fails", ago(s.At, f.Since), f.What),
			Do:   "See whether the brokers live and can be reached from a node. Nothing is lost on our side; devices' producers may be blocked as well.",
		}, true
	}
	return Finding{}, false
}

// outOfRange says that records are lost.
func outOfRange(what, why string) Finding {
	return Finding{
		ID: "offset", Level: Bad, Runbook: bookOffset, What: what, Why: why,
		Do: "Do not reset the offset before the runbook was read: it says how to find out what is lost, and how to go on.",
	}
}

// settling says that partitions are not read since what was declared of them cannot be
// made sure of, or that something declared is not stored.
func (s State) settling(one Stream) (Finding, bool) {
	var ids []string
	var since time.Time
	for _, p := range one.Settling {
		if s.lasts(p.Since, settlesWithin) {
			ids = append(ids, fmt.Sprint(p.Partition))
			since = earlier(since, p.Since)
		}
	}
	do := "See the node's log for what settling waits for. Do not reset offsets: what was declared would be stored twice or not at all."
	if len(ids) > 0 {
		return Finding{
			ID: "settling", Level: Bad, Runbook: bookIntent, Do: do,
			What: fmt.Sprintf("%s not read since %s: what an earlier node declared is still being settled", plural(len(ids), "partition is", "partitions are"), ago(s.At, since)),
			Why:  "partitions " + several(ids) + " were assigned and are not ready; that takes seconds where all is well",
		}, true
	}
	if n := one.InFlight.Intents; n > 0 && s.lasts(one.InFlight.Since, storesWithin) {
		return Finding{
			ID: "settling", Level: Bad, Runbook: bookIntent, Do: do,
			What: fmt.Sprintf("%s declared and not stored for %s", plural(n, "batch", "batches"), ago(s.At, one.InFlight.Since)),
			Why:  "no insert fails, and yet none of a lane's batches was stored in that time",
		}, true
	}
	return Finding{}, false
}

// hot names partitions that more nodes do not help.
func (s State) hot(one Stream) (all []Finding) {
	for _, p := range one.Partitions {
		if !p.Hot {
			continue
		}
		level := Warn
		if p.Seconds > 60 {
			level = Bad
		}
		all = append(all, Finding{
			ID: "hot", Level: level, Runbook: bookHot,
			What: fmt.Sprintf("partition %d is %s behind and the others are not", p.ID, Seconds(p.Seconds)),
			Why:  fmt.Sprintf("it has %s of the %s records that wait, and gets %s a second", Count(float64(p.Lag)), Count(float64(one.Backlog.Records)), Count(p.Arriving)),
			Do:   "Find the device or key that sends so much. More nodes do not help: a partition is read by one.",
		})
	}
	return all
}

// behind says why readings are late, where nothing that was found says it.
func (s State) behind(one Stream, so []Finding) (Finding, bool) {
	b := one.Backlog
	if !b.Behind() || found(so, "clickhouse", "kafka", "offset", "settling", "hot") {
		return Finding{}, false
	}
	records := fmt.Sprintf("%s records are not stored, the oldest is %s old", Count(float64(b.Records)), Seconds(b.Seconds))
	if b.Done != nil && b.Arriving != nil {
		records += fmt.Sprintf("; %s a second are done, and %s arrive", Count(*b.Done), Count(*b.Arriving))
	}
	if b.Left != nil {
		return Finding{
			ID: "catching-up", Level: Warn, Runbook: bookCPU, Why: records,
			What: fmt.Sprintf("catching up: %s behind, caught up in %s", Seconds(b.Seconds), Seconds(*b.Left)),
			Do:   "Wait. If that is too long, add nodes: `ingest scale` says how many would help.",
		}, true
	}
	paused := 0
	for _, l := range one.Lanes {
		if !l.PausedSince.IsZero() {
			paused++
		}
	}
	used, cores := s.cpu(one)
	load := fmt.Sprintf("nodes use %.1f of %.0f cores", used, cores)
	slow := scaling.DefaultPolicy().SlowInsert.Seconds()
	f := Finding{Level: Bad, Runbook: bookLag, What: fmt.Sprintf("%s behind, and the lag does not shrink", Seconds(b.Seconds)), Why: records + "; " + load}
	switch {
	case s.partsPressure() != "":
		f.ID, f.Runbook = "clickhouse-slow", bookParts
		f.What = fmt.Sprintf("ClickHouse is slow for too many parts: %s behind", Seconds(b.Seconds))
		f.Why = s.partsPressure() + "; " + f.Why
		f.Do = "See what its merges wait for. More nodes make it worse."
	case one.Rates.InsertSeconds >= slow || paused > 0 && used < busy*cores:
		f.ID = "clickhouse-slow"
		f.What = fmt.Sprintf("ClickHouse is the bottleneck: %s behind, and the nodes wait for it", Seconds(b.Seconds))
		f.Why = fmt.Sprintf("an insert takes %s on average, and %d of %d lanes are full; %s", Seconds(one.Rates.InsertSeconds), paused, len(one.Lanes), f.Why)
		f.Do = "See what ClickHouse is busy with: merges, queries, its disk. More nodes would only wait."
	case used >= busy*cores:
		f.ID, f.Runbook = "capacity", bookCPU
		f.What = fmt.Sprintf("there are too few nodes: %s behind, and more arrives than %s", Seconds(b.Seconds), do(len(one.Nodes)))
		f.Do = "Add nodes: `ingest scale` says how many."
	default:
		f.ID = "behind"
		f.Do = "The nodes are idle and nothing fails: see the runbook for what they wait for."
	}
	return f, true
}

// do says what nodes do with what arrives.
func do(nodes int) string {
	if nodes == 1 {
		return "the only one does"
	}
	return fmt.Sprintf("%d do", nodes)
}

// cpu is what a stream's nodes use, and how many cores they have.
func (s State) cpu(one Stream) (used, cores float64) {
	for _, p := range s.Programs {
		if slices.Contains(one.Nodes, p.Name) {
			used += p.CPU.Used
			cores += p.CPU.Cores
		}
	}
	return used, cores
}

func (s State) rejecting(one Stream) Finding {
	of := "records"
	if share, ok := one.Rejects.Share(); ok {
		of = fmt.Sprintf("%.1f %% of the last minute's records", 100*share)
	}
	var why []string
	if !one.Rejects.HighSince.IsZero() {
		why = append(why, fmt.Sprintf("they are more than rejects.share allows since %s", ago(s.At, one.Rejects.HighSince)))
	}
	f := Finding{
		ID: "rejects", Level: Warn, Runbook: bookRejects,
		What: fmt.Sprintf("%s cannot be stored and go to %s", of, one.Rejects.Topic),
		Do:   "See whether a new firmware or schema is being rolled out: `ingest dlq ls` has them by reason. They can be replayed once they can be stored.",
	}
	if r := one.Rejects.Reasons; len(r) > 0 {
		most := fmt.Sprintf("most of them for the reason %s (%s of %s since the nodes began)", r[0].Reason, Count(float64(r[0].Total)), Count(float64(one.Rejects.Total)))
		for _, sample := range one.Rejects.Samples {
			if sample.Reason == r[0].Reason {
				most += fmt.Sprintf(", such as partition %d, offset %d: %s", sample.Partition, sample.Offset, sample.Detail)
				break
			}
		}
		why = append(why, most)
	}
	f.Why = strings.Join(why, "; ")
	return f
}
