package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/ops/local/proxy"
)

// doBrokerKill kills Kafka and starts it again after a while.
func (r *round) doBrokerKill(ctx context.Context) error {
	for range r.Faults {
		if err := r.moment(ctx, r.nodes); err != nil {
			return err
		}
		if err := r.stack.Kafka.Kill(); err != nil {
			return err
		}
		r.out.fired(1, "kill -9")
		if err := sleep(ctx, between(r.rand, 0, 3*time.Second)); err != nil {
			return err
		}
		if err := r.stack.Kafka.Start(ctx); err != nil {
			return err
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}

// doCoordinator troubles the group: a commit that never arrives, a commit whose
// answer never arrives, a member that the coordinator expels and that learns of
// it by the refusal of what it does next, and a coordinator that goes away in
// order and comes back having read its log.
//
// With one broker a coordinator cannot move to another; for a client the last
// of these is the same: not the coordinator, then loading, then a coordinator
// that knows what was committed.
func (r *round) doCoordinator(ctx context.Context) error {
	for i := range r.Faults {
		if err := sleep(ctx, between(r.rand, 200*time.Millisecond, 1500*time.Millisecond)); err != nil {
			return err
		}
		var happened bool
		var what string
		var err error
		switch n := r.pick(1)[0]; i % 4 {
		case 0:
			what = "member expelled"
			happened, err = r.expel(ctx)
		case 1:
			what = "commit lost"
			happened, err = r.cutCommits(ctx, n, proxy.RequestLost)
		case 2:
			what = "commit's answer lost"
			happened, err = r.cutCommits(ctx, n, proxy.AnswerLost)
		case 3:
			what, happened = "coordinator restarted", true
			err = errors.Join(r.stack.Kafka.Stop(), r.stack.Kafka.Start(ctx))
		}
		if err != nil {
			return err
		}
		if happened {
			r.out.fired(1, what)
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}

// cutCommits cuts one to three of a node's offset commits.
func (r *round) cutCommits(ctx context.Context, n *node, f proxy.RequestFault) (bool, error) {
	before, want := n.requests.Cut(proxy.OffsetCommit), int64(1+r.rand.IntN(3))
	n.requests.Do(proxy.OffsetCommit, f)
	defer n.requests.Heal()
	for patience := time.Now().Add(10 * time.Second); time.Now().Before(patience); {
		if n.requests.Cut(proxy.OffsetCommit) >= before+want {
			break
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return false, err
		}
	}
	return n.requests.Cut(proxy.OffsetCommit) > before, nil
}

// expel has the coordinator throw a member out, as an operator's tool can.
func (r *round) expel(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	groups, err := r.admin.DescribeGroups(ctx, r.names.group)
	if err == nil {
		err = groups.Error()
	}
	if err != nil {
		return false, fmt.Errorf("members of group %s: %w", r.names.group, err)
	}
	members := groups[r.names.group].Members
	if len(members) == 0 {
		return false, nil
	}
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group = r.names.group
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = members[r.rand.IntN(len(members))].MemberID
	request.Members = append(request.Members, member)
	response, err := request.RequestWith(ctx, r.client)
	if err != nil {
		return false, fmt.Errorf("expel a member of group %s: %w", r.names.group, err)
	}
	return response.ErrorCode == 0 && len(response.Members) == 1 && response.Members[0].ErrorCode == 0, nil
}

// doDeadLetters has no dead letter arrive for a while, or no answer to one: the
// nodes write nothing else to Kafka, so it is enough to cut every produce
// request.
//
// A broker of one that refuses a topic's records cannot be had: it takes
// min.insync.replicas for no more than the replicas there are.
func (r *round) doDeadLetters(ctx context.Context) error {
	for i := range r.Faults {
		if err := sleep(ctx, between(r.rand, 0, time.Second)); err != nil {
			return err
		}
		fault, what := proxy.RequestLost, "dead letters lost"
		if i%2 == 1 {
			fault, what = proxy.AnswerLost, "dead letters' answers lost"
		}
		for _, n := range r.nodes {
			n.requests.Do(proxy.Produce, fault)
		}
		before, cut, err := r.letters(ctx)
		if err != nil {
			return err
		}
		if err := sleep(ctx, between(r.rand, 2*time.Second, 6*time.Second)); err != nil {
			return err
		}
		after, cutAfter, err := r.letters(ctx)
		if err != nil {
			return err
		}
		for _, n := range r.nodes {
			n.requests.Heal()
		}
		// A letter that was in the broker's hands when it began may count as one
		// of these; several a second would have come.
		if cutAfter > cut && (fault == proxy.AnswerLost || after <= before+1) {
			r.out.fired(1, what)
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}

// letters is how many dead letters there are, and how many requests with some
// were cut.
func (r *round) letters(ctx context.Context) (there, cut int64, err error) {
	listed, err := r.admin.ListEndOffsets(ctx, r.names.deadLetters)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("end of topic %s: %w", r.names.deadLetters, err)
	}
	listed.Each(func(o kadm.ListedOffset) { there += o.Offset })
	for _, n := range r.nodes {
		cut += n.requests.Cut(proxy.Produce)
	}
	return there, cut, nil
}
