package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Output is where a run reports to while it lasts.
type Output struct {
	Writer   io.Writer
	Terminal bool // lines may be rewritten
	// Began is told when the first record is meant to be sent. Optional.
	Began func(time.Time)
}

// Run sends what c says, until it is sent or ctx ends, then waits for it to
// arrive and proves it. The error says why the run could not be made, or what
// the proof found; with the latter the result is complete.
func Run(ctx context.Context, c Config, out Output) (Result, error) {
	if err := c.Validate(); err != nil {
		return Result{}, err
	}
	start := time.Now()
	table, err := openStore(ctx, c.ClickHouse, start)
	if err != nil {
		return Result{}, err
	}
	r, err := run(ctx, c, start, table, out)
	return r, errors.Join(err, table.close())
}

// tables is all a run asks of ClickHouse.
type tables interface {
	stored
	arrived
	upgraded
}

// run is [Run] on a table that is open.
func run(ctx context.Context, c Config, start time.Time, table tables, out Output) (Result, error) {
	rejects := c.DeadLetters != "" && c.VerifyTimeout > 0
	book, queues := newLedger(rejects), newVisibility()
	crew, err := newSender(c, newFleet(c, start), book, queues)
	if err != nil {
		return Result{}, err
	}
	defer crew.client.Close()
	admin := kadm.NewClient(crew.client)
	if err := topicExists(ctx, admin, c.Topic); err != nil {
		return Result{}, err
	}
	var letters *deadLetters
	if rejects {
		if letters, err = openDeadLetters(ctx, admin, c); err != nil {
			return Result{}, err
		}
		defer letters.close()
	}

	// Those who watch outlive ctx: it ends the sending, not the looking.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer stop()
	watch := &watcher{table: table, queues: queues, every: c.PollEvery}
	watchers.Go(func() { watch.run(watching) })
	if letters != nil {
		watchers.Go(func() { letters.run(watching) })
	}
	line := &progress{out: out.Writer, terminal: out.Terminal, every: c.ProgressEvery, ledger: book, queues: queues, watch: watch, phase: make(chan string)}
	watchers.Go(func() { line.run(watching) })

	queues.patience = c.Waited
	plan := newSchedule(time.Now(), c.phases()...)
	pulse := &moments{start: plan.start, every: c.Intervals, ledger: book, queues: queues}
	if c.Intervals > 0 {
		queues.keepIntervals(newIntervals(plan.start, c.Intervals, c.Phases))
		watchers.Go(func() { pulse.run(watching) })
	}
	if out.Began != nil {
		out.Began(plan.start)
	}
	errSend := crew.sendAll(ctx, plan)
	line.phase <- "arriving"
	sent, err := book.sent(c, crew.fleet)
	if err == nil && c.State != "" {
		err = sent.Save(c.State)
	}
	if err != nil {
		return Result{}, errors.Join(errSend, err)
	}

	t := book.totals()
	r := Result{Run: c.Run, Seed: c.Seed, Rate: float64(t.produced()) / crew.took.Seconds(), Produced: t.produced(), Good: t.good,
		Resent: t.again, MalformedSent: t.malformed, Unacked: t.unacked}
	var errProof error
	if c.VerifyTimeout > 0 {
		v := verification{sent: sent, table: table, queues: queues, ledger: book, letters: letters}
		if r.Proof, r.Rejects, r.Upgrade, errProof = v.run(context.WithoutCancel(ctx), c.VerifyTimeout); errProof == nil {
			r.Verified = true
			r.Examples = append(r.Examples, r.Rejects.examples...)
		}
	}
	stop()
	watchers.Wait()
	r.Invisible = uint64(queues.abandon(time.Now()))
	var l latencies
	l, r.Waited, r.Unmeasured = queues.overall()
	r.latencies(l)
	r.SentLateMax = milliseconds(crew.late)
	r.Intervals, r.Phases = queues.timeline()
	r.Moments = pulse.all
	r.Polls, r.PollErrors = watch.polls.Load(), watch.errors.Load()
	return r, errors.Join(errSend, errProof, r.fault(c))
}

func topicExists(ctx context.Context, admin *kadm.Client, topic string) error {
	topics, err := admin.ListTopics(ctx, topic)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		return fmt.Errorf("look up topic %q: %w; create it, or name another with topic", topic, err)
	}
	return nil
}

// Verify proves again what an earlier run has sent: in the same tables later,
// or after tiering has moved some of it. The error says why that could not be
// done, or what is wrong, to which duplicates belong unless they are allowed;
// with the latter the verdict is complete.
func Verify(ctx context.Context, c ClickHouse, s Sent, allowDuplicates bool) (Verdict, error) {
	if err := c.Validate(); err != nil {
		return Verdict{}, err
	}
	table, err := openStore(ctx, c, time.Time{})
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Run: s.Run, Seed: s.Seed, Good: s.good()}
	if v.Proof, err = prove(ctx, table, s, chunkReadings); err == nil {
		v.Upgrade, err = proveUpgrade(ctx, table, s)
	}
	if err == nil {
		v.Verified = true
		err = errors.Join(v.fault(allowDuplicates), v.Upgrade.fault())
	}
	return v, errors.Join(err, table.close())
}
