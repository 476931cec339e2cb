package state

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Merge makes one state of those of several programs. What they say of the same
// stream or table is put together: rates and lags are added up, partitions, lanes and
// problems are side by side with their node, and of how fresh and how far behind the
// worst one counts. Findings and headline are left for [Diagnose].
func Merge(at time.Time, all ...State) State {
	out := State{At: at.UTC(), Findings: []Finding{}, Programs: []Program{}}
	streams := map[string]Stream{}
	for _, s := range all {
		out.Programs = append(out.Programs, s.Programs...)
		out.Peers = append(out.Peers, s.Peers...)
		out.Tables = append(out.Tables, s.Tables...)
		out.Canary = append(out.Canary, s.Canary...)
		out.Kafka = append(out.Kafka, s.Kafka...)
		out.ClickHouse = append(out.ClickHouse, s.ClickHouse...)
		out.Days = append(out.Days, s.Days...)
		for _, one := range s.Streams {
			if other, ok := streams[one.Name]; ok {
				one = other.with(one)
			}
			streams[one.Name] = one
		}
	}
	out.Streams = nil
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		out.Streams = append(out.Streams, streams[name])
	}
	by(out.Programs, func(p Program) string { return p.Name })
	by(out.Peers, func(p Peer) string { return p.Name })
	by(out.Tables, func(t Table) string { return t.Name + "\x00" + t.Node })
	by(out.Canary, func(c Canary) string { return c.Stream })
	by(out.Kafka, func(k Kafka) string { return k.Stream })
	by(out.ClickHouse, func(c ClickHouse) string { return c.Name })
	by(out.Days, func(d Days) string { return d.Table })
	return out
}

// by sorts what may be equal by a name, and leaves the order of the equal.
func by[T any](all []T, name func(T) string) {
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
}

// with returns the stream as two nodes have it.
func (s Stream) with(o Stream) Stream {
	s.Nodes = slices.Sorted(slices.Values(slices.Concat(s.Nodes, o.Nodes)))
	s.History = mergeHistory(s.History, o.History)
	s.Rates = s.Rates.with(o.Rates)
	s.Freshness = Freshness{
		P50: worst(s.Freshness.P50, o.Freshness.P50), P99: worst(s.Freshness.P99, o.Freshness.P99),
		Waiting: max(s.Freshness.Waiting, o.Freshness.Waiting),
	}
	s.Backlog = s.Backlog.with(o.Backlog)
	s.Partitions = mergePartitions(s.Partitions, o.Partitions)
	s.Settling = slices.Concat(s.Settling, o.Settling)
	slices.SortStableFunc(s.Settling, func(a, b Settling) int { return cmp.Compare(a.Partition, b.Partition) })
	s.InFlight = InFlight{Intents: s.InFlight.Intents + o.InFlight.Intents, Since: earlier(s.InFlight.Since, o.InFlight.Since)}
	s.Lanes = slices.Concat(s.Lanes, o.Lanes)
	by(s.Lanes, func(l Lane) string { return l.Node })
	s.Breakers = slices.Concat(s.Breakers, o.Breakers)
	by(s.Breakers, func(b Breaker) string { return b.Node })
	s.Failing = slices.Concat(s.Failing, o.Failing)
	by(s.Failing, func(f Failing) string { return f.Node })
	s.Rejects = s.Rejects.with(o.Rejects)
	s.Doubts += o.Doubts
	return s
}

// mergeHistory adds samples of the same time up.
func mergeHistory(a, b []Sample) []Sample {
	at := map[time.Time]Sample{}
	for _, s := range slices.Concat(a, b) {
		if o, ok := at[s.At]; ok {
			s.Read += o.Read
			s.Stored += o.Stored
			s.Rejected += o.Rejected
			s.P50, s.P99 = worst(s.P50, o.P50), worst(s.P99, o.P99)
			s.Oldest = max(s.Oldest, o.Oldest)
			s.Lag += o.Lag
		}
		at[s.At] = s
	}
	return slices.SortedFunc(maps.Values(at), func(a, b Sample) int { return a.At.Compare(b.At) })
}

// mergePartitions puts partitions side by side. For a moment two nodes may say that one
// is theirs, while it goes from one to the other: who has read further has it now.
func mergePartitions(a, b []Partition) []Partition {
	ids := map[int32]Partition{}
	for _, p := range slices.Concat(a, b) {
		if o, ok := ids[p.ID]; !ok || p.High >= o.High {
			ids[p.ID] = p
		}
	}
	all := make([]Partition, 0, len(ids))
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		all = append(all, ids[id])
	}
	markHot(all)
	return all
}

func (r Rates) with(o Rates) Rates {
	took := r.InsertSeconds*r.Inserts + o.InsertSeconds*o.Inserts
	r.Read += o.Read
	r.ReadBytes += o.ReadBytes
	r.Stored += o.Stored
	r.StoredBytes += o.StoredBytes
	r.Inserts += o.Inserts
	r.InsertSeconds = 0
	if r.Inserts > 0 {
		r.InsertSeconds = took / r.Inserts
	}
	r.Retries += o.Retries
	r.Duplicates += o.Duplicates
	r.Rejected += o.Rejected
	return r
}

// with has the nodes drain side by side: all are done when the last one is, and it is not
// known when that is while it is not known of one that is behind.
func (b Backlog) with(o Backlog) Backlog {
	out := Backlog{Records: b.Records + o.Records, Seconds: max(b.Seconds, o.Seconds), Done: sum(b.Done, o.Done), Arriving: sum(b.Arriving, o.Arriving)}
	if b.Left != nil && o.Left != nil {
		left := max(*b.Left, *o.Left)
		out.Left = &left
	}
	return out
}

func (r Rejects) with(o Rejects) Rejects {
	reasons := map[string]int64{}
	for _, one := range slices.Concat(r.Reasons, o.Reasons) {
		reasons[one.Reason] += one.Total
	}
	out := Rejects{
		Topic: r.Topic, Total: r.Total + o.Total, High: r.High || o.High, HighSince: earlier(r.HighSince, o.HighSince),
		Records: r.Records + o.Records, Rejected: r.Rejected + o.Rejected, Reasons: []RejectReason{},
	}
	for reason, total := range reasons {
		out.Reasons = append(out.Reasons, RejectReason{reason, total})
	}
	out.Samples = slices.Concat(r.Samples, o.Samples)
	sortRejects(&out)
	kept := map[string]int{}
	out.Samples = slices.DeleteFunc(out.Samples, func(s RejectSample) bool {
		kept[s.Reason]++
		return kept[s.Reason] > SamplesPerReason
	})
	return out
}

// worst is the larger of two that may be absent.
func worst(a, b *float64) *float64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

// sum is that of two that may be absent.
func sum(a, b *float64) *float64 {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	total := *a + *b
	return &total
}

// earlier is the earlier of two times that may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
