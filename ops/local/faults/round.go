package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
)

// round is a round while it runs: nodes, load and watchers on a topic and
// tables of its own.
type round struct {
	Round
	*harness
	rand *rand.Rand
	// dir holds the round's configs and logs.
	dir   string
	names names

	tables   *tables
	nodes    []*node
	fleet    *fleet
	progress *progress
	out      *outcome
	deaths   int // of nodes that nobody ended
}

// names are those of what a round creates.
type names struct{ topic, deadLetters, group, database string }

func (r Round) names() names {
	n := r.Name()
	return names{topic: n, deadLetters: n + ".dead", group: n, database: strings.ReplaceAll(n, "-", "_")}
}

// play runs one round: nodes and load, the faults, and when they are over the
// proof. It returns what came of it, whatever that is.
func (h *harness) play(ctx context.Context, plan Round) *outcome {
	r := &round{Round: plan, harness: h, rand: plan.random(), dir: filepath.Join(h.stack.Addresses().State, plan.Name()), names: plan.names(),
		progress: newProgress(), out: &outcome{Round: plan, Fired: map[string]int{}}}
	began := time.Now()
	whole, err := func() error { return nil }, error(nil)
	if r.Scenario == DiskFull {
		whole, err = h.confine(ctx)
	}
	if err == nil {
		err = r.run(ctx)
	}
	r.out.Err = errors.Join(err, r.end(ctx), whole())
	r.out.Took = time.Since(began)
	return r.out
}

func (r *round) run(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	watching, unwatch := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { r.progress.watch(watching, r.tables) })
	defer watcher.Wait()
	defer unwatch()
	if err := r.begin(ctx); err != nil {
		return err
	}
	fired := playbook[r.Scenario](r, ctx)
	var stuck *stuckError
	if errors.As(fired, &stuck) {
		// That is a finding, and what is stored until then is still judged.
		r.out.found("%s", stuck.what)
		fired = r.dump(ctx)
	}
	if err := errors.Join(fired, r.recover(ctx)); err != nil {
		return err
	}
	if n := r.out.faults(); n < r.Faults {
		r.out.found("%d faults were asked for and %d happened", r.Faults, n)
	}
	return r.prove(ctx)
}

// prepare creates the topic, the tables and the nodes' configs.
func (r *round) prepare(ctx context.Context) (err error) {
	a := r.stack.Addresses()
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if r.tables, err = openTables(a.ClickHouse, r.names.database); err != nil {
		return err
	}
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, r.names.topic, partitions, nil); err != nil {
		return err
	}
	for _, s := range r.slots {
		if err := s.heal(); err != nil {
			return err
		}
		n, err := r.newNode(s)
		if err != nil {
			return err
		}
		r.nodes = append(r.nodes, n)
	}
	return r.call(ctx, "migrate", "migrate", "--config", r.nodes[0].spec.Config)
}

func (r *round) newNode(s *slot) (*node, error) {
	port, err := child.FreePort()
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("node-%d", s.number)
	n := &node{slot: s, spec: ingest.Spec{
		Name: name, Program: r.cfg.Program, Admin: child.Loopback(port),
		Config: filepath.Join(r.dir, name+".yaml"), Log: filepath.Join(r.dir, name+".log"),
	}}
	if len(r.cfg.Without) > 0 {
		n.spec.Env = []string{"PENSTOCK_WITHOUT=" + strings.Join(r.cfg.Without, ",")}
	}
	text, err := nodeConfig(settings{names: r.names, ClickHouse: r.stack.Addresses().ClickHouse, KafkaProxy: s.kafka.Addr(),
		ClickHouseProxy: s.clickHouse.Addr(), Admin: n.spec.Admin, SessionTimeout: r.sessionTimeout(), InsertTimeout: r.insertTimeout(), Recovery: r.recovery()})
	if err != nil {
		return nil, err
	}
	return n, os.WriteFile(n.spec.Config, []byte(text), 0o600) // it holds a password
}

// begin starts nodes and load and waits until rows flow.
func (r *round) begin(ctx context.Context) error {
	for _, n := range r.nodes[:r.initialNodes()] {
		if err := n.start(); err != nil {
			return err
		}
	}
	var err error
	if r.fleet, err = r.startFleet(); err != nil {
		return err
	}
	return r.flows(ctx)
}

// flows waits until every partition stores what is produced from now on. Nodes
// that end by themselves meanwhile are reported and started again.
func (r *round) flows(ctx context.Context) error {
	ends, err := r.ends(ctx)
	if err != nil {
		return err
	}
	return errors.Join(r.progress.await(ctx, ends, r.cfg.DrainTimeout, r.revive), r.revive())
}

// ends are the offsets that the topic's next records will have.
func (r *round) ends(ctx context.Context) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	listed, err := r.admin.ListEndOffsets(ctx, r.names.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end of topic %s: %w", r.names.topic, err)
	}
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends, nil
}

// dump leaves beside the logs what the nodes' goroutines wait for, which is what
// one wants to know of a pipeline that is stuck and cannot ask for later.
func (r *round) dump(ctx context.Context) error {
	for _, n := range r.nodes {
		if !n.running() || n.stopped {
			continue
		}
		said, err := n.process.Goroutines(ctx)
		if err != nil {
			said = err.Error() // a node that does not answer is one more clue
		}
		if err := os.WriteFile(filepath.Join(r.dir, n.spec.Name+".goroutines"), []byte(said), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// maxDeaths is how often nodes may end by themselves before a round is given up:
// they would end again.
const maxDeaths = 5

// revive starts nodes again that have ended by themselves, which no fault
// explains: a node may wait and try again, but not go away.
func (r *round) revive() error {
	var errs []error
	for _, n := range r.nodes {
		if n.process == nil || n.process.Err() == nil {
			continue
		}
		r.out.found("%s", n.epitaph())
		if r.deaths++; r.deaths > maxDeaths {
			return fmt.Errorf("nodes ended by themselves %d times", r.deaths)
		}
		errs = append(errs, n.start())
	}
	return errors.Join(errs...)
}

// recover ends all faults: the network is whole, both servers and every node
// run.
func (r *round) recover(ctx context.Context) error {
	var errs []error
	for _, s := range r.slots {
		errs = append(errs, s.heal())
	}
	if r.stack.ClickHouse.Process() == nil {
		errs = append(errs, r.stack.ClickHouse.Start(ctx))
	}
	if r.stack.Kafka.Process() == nil {
		errs = append(errs, r.stack.Kafka.Start(ctx))
	}
	errs = append(errs, r.stack.Err(), r.revive())
	for _, n := range r.nodes {
		if n.stopped {
			errs = append(errs, n.resume())
		}
		if !n.running() {
			errs = append(errs, n.start())
		}
	}
	return errors.Join(errs...)
}

// end stops what still runs and removes what is of no more use. It is called
// whatever has happened.
func (r *round) end(ctx context.Context) error {
	var errs []error
	if r.fleet != nil {
		errs = append(errs, r.fleet.abort())
	}
	for _, n := range r.nodes {
		if n.running() {
			errs = append(errs, n.kill())
		}
	}
	if r.tables == nil {
		return errors.Join(errs...)
	}
	if ctx.Err() == nil && len(errs) == 0 && !r.cfg.Keep && !r.out.violated() {
		errs = append(errs, r.tables.drop(ctx), os.RemoveAll(r.dir))
		_, err := r.admin.DeleteTopics(ctx, r.names.topic, r.names.deadLetters)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, r.tables.close())...)
}

// call runs ingest to its end. What it says goes to the log of that name.
func (r *round) call(ctx context.Context, log string, args ...string) error {
	p, err := child.Start(child.Spec{Name: "ingest " + args[0], Args: append([]string{r.cfg.Program}, args...), Log: filepath.Join(r.dir, log+".log")})
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}
