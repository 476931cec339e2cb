package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/ops/state"
)

// most is how many partitions, failures and days are written; the page has all.
const most = 6

// mostSamples is how many dead letters are.
const mostSamples = 3

func (l *lines) stream(one state.Stream, of state.State) {
	l.heading(fmt.Sprintf("STREAM %s   topic %s, group %s, %d nodes, %d partitions", one.Name, one.Topic, one.Group, len(one.Nodes), len(one.Partitions)))
	r, b := one.Rates, one.Backlog
	l.named("flow", fmt.Sprintf("%s/s read (%s/s), %s/s stored (%s/s)", state.Count(r.Read), state.Bytes(r.ReadBytes), state.Count(r.Stored), state.Bytes(r.StoredBytes)))
	fresh := fmt.Sprintf("p50 %s, p99 %s, oldest that waits %s", maybe(one.Freshness.P50), maybe(one.Freshness.P99), state.Seconds(one.Freshness.Waiting))
	for _, c := range of.Canary {
		if c.Stream == one.Name {
			fresh += fmt.Sprintf("; canary p99 %s", maybe(c.P99))
		}
	}
	l.named("freshness", fresh)
	l.named("15 minutes", spark(one.History, l.Width-15)+"  worst "+state.Seconds(worst(one.History)))
	l.named("backlog", fmt.Sprintf("%s records, %s; %s/s arrive, %s/s are done", state.Count(float64(b.Records)), eta(b), rate(b.Arriving), rate(b.Done)))
	for _, k := range of.Kafka {
		if k.Stream == one.Name {
			l.keeps(k)
		}
	}
	l.named("pressure", pressure(one, of.At))
	for i, f := range one.Failing {
		if i == most {
			l.named("", fmt.Sprintf("and %d more", len(one.Failing)-most))
			break
		}
		l.line("  %-13s%s: %s, %d times for %s: %s", "failing", f.Node, f.What, f.Times, ago(of.At, f.Since), f.Error)
	}
	l.partitions(one)
	if one.Rejects.Total > 0 {
		l.rejects(one.Rejects, of.At)
	}
}

// keeps writes how long there is to store what waits: whoever sees a backlog that does
// not shrink decides by it what can wait until the morning.
func (l *lines) keeps(k state.Kafka) {
	switch p, ok := k.Soonest(); {
	case !ok:
	case p.Gone > 0:
		l.named("kafka keeps", fmt.Sprintf("no longer %s records that were not stored (partition %d)", state.Count(float64(p.Gone)), p.ID))
	default:
		l.named("kafka keeps", fmt.Sprintf("records for %s as it deletes now, so what waits for %s more (partition %d)",
			state.Seconds(*p.Retention+p.Seconds), state.Seconds(*p.Retention), p.ID))
	}
}

// partitions writes those that are furthest behind.
func (l *lines) partitions(one state.Stream) {
	all := slices.Clone(one.Partitions)
	slices.SortStableFunc(all, func(a, b state.Partition) int { return cmp.Compare(b.Seconds, a.Seconds) })
	if len(all) == 0 {
		return
	}
	node := "node"
	if len(all) > most {
		node = fmt.Sprintf("node (%d of %d partitions)", most, len(all))
	}
	l.line("  %-13s%9s %12s %14s %10s  %s", "furthest", "partition", "records", "oldest", "arrive/s", node)
	for i, p := range all {
		if i == most {
			break
		}
		hot := ""
		if p.Hot {
			hot = "HOT"
		}
		l.line("  %-13s%9d %12s %14s %10s  %s", hot, p.ID, state.Count(float64(p.Lag)), state.Seconds(p.Seconds), state.Count(p.Arriving), p.Node)
	}
}

func pressure(one state.Stream, now time.Time) string {
	var parts []string
	if len(one.Breakers) > 0 {
		parts = append(parts, fmt.Sprintf("breaker OPEN on %d nodes for %s", len(one.Breakers), ago(now, one.Breakers[0].Since)))
	} else {
		parts = append(parts, "breaker closed")
	}
	paused := 0
	for _, lane := range one.Lanes {
		if !lane.PausedSince.IsZero() {
			paused++
		}
	}
	parts = append(parts, fmt.Sprintf("%d of %d lanes full", paused, len(one.Lanes)), fmt.Sprintf("%d batches in flight", one.InFlight.Intents))
	if len(one.Settling) > 0 {
		parts = append(parts, fmt.Sprintf("%d partitions settling", len(one.Settling)))
	}
	if one.Rates.Inserts > 0 {
		parts = append(parts, fmt.Sprintf("an insert takes %.0f ms", 1000*one.Rates.InsertSeconds))
	}
	if one.Rates.Retries > 0 {
		parts = append(parts, state.Count(one.Rates.Retries)+" retries/s")
	}
	return strings.Join(parts, ", ")
}

func (l *lines) rejects(r state.Rejects, now time.Time) {
	var parts []string
	for _, one := range r.Reasons {
		parts = append(parts, fmt.Sprintf("%s %s", one.Reason, state.Count(float64(one.Total))))
	}
	l.named("dead letters", fmt.Sprintf("%s in %s since the nodes began: %s", state.Count(float64(r.Total)), r.Topic, strings.Join(parts, ", ")))
	if share, ok := r.Share(); r.High {
		text := "for " + ago(now, r.HighSince)
		if ok {
			text += fmt.Sprintf(": %.1f %% of the last minute's records", 100*share)
		}
		l.named("HIGH", text)
	}
	if len(r.Samples) == 0 {
		return
	}
	newest := r.Samples[:min(len(r.Samples), mostSamples)]
	l.named("samples", fmt.Sprintf("the newest %d of %d, which are from %d partitions", len(newest), len(r.Samples), r.Partitions()))
	for _, s := range newest {
		l.line("  %-13s%d@%d %s: %s", "", s.Partition, s.Offset, s.Reason, s.Detail)
	}
}

func (l *lines) table(t state.Table, of state.State) {
	l.heading(fmt.Sprintf("DAYS of %s   compactor %s", t.Name, t.Node))
	if len(t.Days) == 0 {
		l.named("", "not looked at yet")
	}
	counts, order := map[string]int{}, []string{}
	for _, d := range t.Days {
		if counts[d.State] == 0 {
			order = append(order, d.State)
		}
		counts[d.State]++
	}
	var parts []string
	for _, s := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
	}
	if len(parts) > 0 {
		l.named("days", strings.Join(parts, ", ")+"; "+t.Days[0].Day+" to "+t.Days[len(t.Days)-1].Day)
	}
	for _, d := range t.Days {
		if x := d.Doing; x != nil {
			text := fmt.Sprintf("%s %s for %s", d.Day, x.Action, ago(of.At, x.Since))
			if x.Of > 0 {
				text += fmt.Sprintf(", %s %.0f %%, %s rows/s", x.What, 100*float64(x.Rows)/float64(x.Of), state.Count(t.Rates.Rows))
			}
			l.named("now", text)
		}
		if d.Error != "" {
			l.named("FAILED", d.Day+": "+d.Error)
		}
	}
	if t.Failing != nil {
		l.named("FAILED", fmt.Sprintf("passes for %s: %s", ago(of.At, t.Failing.Since), t.Failing.Error))
	}
}

func (l *lines) servers(of state.State) {
	for _, c := range of.ClickHouse {
		l.heading("CLICKHOUSE " + c.Name)
		if !c.Up {
			l.named("DOWN", fmt.Sprintf("for %s: %s", ago(of.At, c.Since), c.Error))
		}
		for _, p := range c.Parts {
			l.named("parts", fmt.Sprintf("%s: %d in its fullest partition, inserts are slowed down from %d", p.Table, p.Most, p.Delay))
		}
		for _, d := range c.Disks {
			l.named("disk", fmt.Sprintf("%s: %s free, %.0f %%", d.Name, state.Bytes(float64(d.Free)), 100*float64(d.Free)/float64(max(1, d.Total))))
		}
	}
}

func (l *lines) programs(of state.State) {
	l.heading("PROGRAMS")
	for _, p := range of.Peers {
		if p.Away() {
			l.line("  %-24s %-10s %-10s %s", p.Name, p.Kind, "AWAY", "for "+ago(of.At, p.Since)+": "+p.Error)
		}
	}
	for _, p := range of.Programs {
		is := "ready"
		switch {
		case p.Draining:
			is = "drained"
		case len(p.Problems) > 0:
			is = "NOT READY"
		}
		memory := state.Bytes(float64(p.Memory.Used))
		if p.Memory.Budget > 0 {
			memory += " of " + state.Bytes(float64(p.Memory.Budget))
		}
		l.line("  %-24s %-10s %-10s %4.1f of %.0f cores  %-19s  %s", p.Name, p.Kind, is, p.CPU.Used, p.CPU.Cores, memory, p.Version)
	}
}

func eta(b state.Backlog) string {
	switch {
	case b.Left == nil && b.Behind():
		return "does not shrink"
	case b.Left == nil:
		return "not known yet when it is gone"
	case *b.Left == 0:
		return "nothing to catch up with"
	}
	return "caught up in " + state.Seconds(*b.Left)
}

// ago says how long ago something began.
func ago(now, then time.Time) string { return state.Seconds(max(0, now.Sub(then).Seconds())) }

func maybe(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return state.Seconds(*seconds)
}

func rate(n *float64) string {
	if n == nil {
		return "?"
	}
	return state.Count(*n)
}

func late(s state.Sample) float64 {
	if s.P99 != nil {
		return max(*s.P99, s.Oldest)
	}
	return s.Oldest
}

func worst(history []state.Sample) (most float64) {
	for _, s := range history {
		most = max(most, late(s))
	}
	return most
}

// spark draws how late readings were, oldest first, in at most so many columns: a bar of
// full height is the worst, but at least the promise.
func spark(history []state.Sample, room int) string {
	const bars = "▁▂▃▄▅▆▇█"
	columns := min(60, len(history))
	if room > 0 {
		columns = min(columns, max(10, room-24))
	}
	top := max(state.Promise, worst(history))
	var b strings.Builder
	for i := range columns {
		from, to := i*len(history)/columns, (i+1)*len(history)/columns
		level := int(worst(history[from:to]) / top * 7.999)
		b.WriteString(string([]rune(bars)[level]))
	}
	return b.String()
}
