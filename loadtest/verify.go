package loadtest

import (
	"context"
	"time"
)

// verification waits until a run has arrived and proves it.
type verification struct {
	sent  Sent
	table interface {
		arrived
		upgraded
	}
	queues  *visibility
	ledger  *ledger
	letters *deadLetters // nil if rejects are not looked at
}

const (
	// verifyEvery is how often it is asked whether everything has arrived.
	verifyEvery = 250 * time.Millisecond
	// proofTimeout ends a proof that hangs.
	proofTimeout = 5 * time.Minute
)

// run proves the run as soon as all of it has arrived, or after the timeout
// with what there is. Its error is that of a proof that could not be made.
func (v *verification) run(ctx context.Context, timeout time.Duration) (Proof, Rejects, *UpgradeProof, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(verifyEvery)
	defer tick.Stop()
	for {
		over := false
		select {
		case <-deadline.C:
			over = true
		case <-tick.C:
		}
		if !over && !v.arrived(ctx) {
			continue
		}
		proof, upgrade, err := v.prove(ctx)
		rejects := v.rejects()
		// Duplicates do not go away by waiting; what is missing may still come,
		// as may a column that the view does not show yet.
		if over || err == nil && proof.Missing == 0 && rejects.complete() && upgrade.fault() == nil {
			return proof, rejects, upgrade, err
		}
	}
}

// arrived tells, at little cost, whether a proof could succeed.
func (v *verification) arrived(ctx context.Context) bool {
	if v.queues.left() > 0 || !v.rejects().complete() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	n, err := v.table.Count(ctx, v.sent.ids(chunk{0, uint32(len(v.sent.Seqs))}))
	// An error is ClickHouse being away, which the proof at the deadline reports
	// if it lasts.
	return err == nil && n >= v.sent.good()
}

func (v *verification) prove(ctx context.Context) (Proof, *UpgradeProof, error) {
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	proof, err := prove(ctx, v.table, v.sent, chunkReadings)
	if err != nil {
		return proof, nil, err
	}
	upgrade, err := proveUpgrade(ctx, v.table, v.sent)
	return proof, upgrade, err
}

func (v *verification) rejects() Rejects {
	if v.letters == nil {
		return Rejects{}
	}
	return v.letters.compare(v.ledger)
}
