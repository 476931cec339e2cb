package watcher

import (
	"cmp"
	"slices"
	"time"

	"penstock/ops/state"
)

// Watchers are those of all streams of a program.
type Watchers []*Watcher

// Problems returns what keeps the program from being ready: what any of them cannot see.
func (all Watchers) Problems() (problems []string) {
	for _, w := range all {
		problems = append(problems, w.Problems()...)
	}
	return problems
}

// State returns what is seen from outside, by stream; of ClickHouse by server, which
// streams may share.
func (all Watchers) State() state.State {
	now := time.Now()
	out := state.State{At: now.UTC()}
	servers := map[string]state.ClickHouse{}
	for _, w := range all {
		known := w.known()
		if w.fleet != nil {
			out.Canary = append(out.Canary, w.canaryState(now))
		}
		out.Kafka = append(out.Kafka, kafkaState(w.name, known.kafka))
		for i, s := range known.clickhouse {
			addr := w.shards[i].shard.Addr
			one := serverState(addr, s)
			if other, ok := servers[addr]; ok {
				one = together(other, one)
			}
			servers[addr] = one
		}
		if known.serversUp() {
			out.Days = append(out.Days, daysState(w.table, w.cfg.DayDue, known.days()))
		}
	}
	for _, s := range servers {
		out.ClickHouse = append(out.ClickHouse, s)
	}
	slices.SortFunc(out.ClickHouse, func(a, b state.ClickHouse) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (w *Watcher) canaryState(now time.Time) state.Canary {
	var oldest maybe[time.Time]
	oldest.value, oldest.known = w.fleet.Oldest()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sightings.state(now, w.name, w.cfg.Canary.Limit, oldest)
}

func kafkaState(stream string, l looked[Group]) state.Kafka {
	k := state.Kafka{Stream: stream, Up: l.up(), Since: utc(l.since), Members: l.value.Members}
	if l.err != nil {
		k.Error = l.err.Error()
	}
	for _, p := range l.value.Partitions {
		one := state.KafkaPartition{ID: p.ID, Lag: p.Lag, Seconds: p.Behind.value.Seconds(), Intents: p.Pending, OldestIntent: p.OldestIntent.Seconds(), Gone: p.Gone}
		if p.Retention.known {
			seconds := p.Retention.value.Seconds()
			one.Retention = &seconds
		}
		k.Records += p.Lag
		k.Seconds = max(k.Seconds, one.Seconds)
		k.Arriving += p.Arriving
		k.Partitions = append(k.Partitions, one)
	}
	return k
}

func serverState(addr string, l looked[Server]) state.ClickHouse {
	s := state.ClickHouse{Name: addr, Up: l.up(), Since: utc(l.since), Version: l.value.Version, ReadOnly: int(l.value.ReadOnly.value)}
	if l.err != nil {
		s.Error = l.err.Error()
	}
	for _, t := range l.value.Tables {
		s.Parts = append(s.Parts, state.TableParts{Table: t.Name, Parts: int(t.Parts), Most: int(t.Fullest), Delay: int(t.Delay), Throw: int(t.Throw)})
	}
	for _, d := range l.value.Disks {
		s.Disks = append(s.Disks, state.Disk{Name: d.Name, Free: int64(d.Free), Total: int64(d.Total)})
	}
	return s
}

// together is what two streams say of the server that both use.
func together(a, b state.ClickHouse) state.ClickHouse {
	if a.Up && !b.Up {
		a, b = b, a
	}
	a.Parts = append(a.Parts, b.Parts...)
	a.ReadOnly = max(a.ReadOnly, b.ReadOnly)
	return a
}

func daysState(table string, due time.Duration, d Days) state.Days {
	out := state.Days{Table: table, Hot: d.Hot, Sealed: d.Sealed, Cold: d.Cold, Seconds: d.Age.Seconds(), Due: due.Seconds()}
	if d.Oldest.known {
		out.Oldest = d.Oldest.value.String()
	}
	return out
}

// utc is a time as JSON shows it; the zero time stays it.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
