package state

import (
	"cmp"
	"slices"
	"time"

	"penstock/pipeline"
	"penstock/schema"
)

// rejects are counted by reason, and the newest of each are kept: a flood of one
// reason must not hide the others.
type rejects struct {
	reasons map[schema.Reason]*rejected
	high    time.Time // since when more are rejected than may be; zero if not
}

type rejected struct {
	total int64
	last  [SamplesPerReason]sample // a ring: total modulo its length is the oldest
}

// sample is a reject as it was told. It is made fit for showing when it is shown: there
// may be a hundred thousand a second, and nobody who looks.
type sample struct {
	at time.Time
	pipeline.Rejected
}

func newRejects() rejects { return rejects{reasons: map[schema.Reason]*rejected{}} }

func (r *rejects) add(now time.Time, e pipeline.Rejected) {
	of := r.reasons[e.Rejection.Reason]
	if of == nil {
		of = new(rejected)
		r.reasons[e.Rejection.Reason] = of
	}
	of.last[of.total%SamplesPerReason] = sample{now, e}
	of.total++
}

func (r *rejects) into(out *Rejects) {
	out.High, out.HighSince = !r.high.IsZero(), utc(r.high)
	out.Reasons, out.Samples = []RejectReason{}, []RejectSample{}
	for reason, of := range r.reasons {
		out.Total += of.total
		out.Reasons = append(out.Reasons, RejectReason{string(reason), of.total})
		for _, s := range of.last[:min(of.total, SamplesPerReason)] {
			out.Samples = append(out.Samples, RejectSample{s.at.UTC(), s.Partition, s.Offset, string(reason), visible(s.Rejection.Detail, MaxDetail)})
		}
	}
	sortRejects(out)
}

// sortRejects orders reasons by their number, and samples by their time.
func sortRejects(r *Rejects) {
	slices.SortFunc(r.Reasons, func(a, b RejectReason) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(r.Samples, func(a, b RejectSample) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Partition, b.Partition), cmp.Compare(b.Offset, a.Offset))
	})
}
