package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/loadtest"
	"penstock/loadtest/gate"
	"penstock/loadtest/play"
	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/procfs"
	"penstock/ops/local/proxy"
	"penstock/ops/local/stack"
	"penstock/transport"
)

// The names of everything a run creates.
const (
	topic       = "telemetry"
	deadLetters = "telemetry.dead"
	group       = "penstock"
	// partitions is what the project's figures are given for.
	partitions = 8
)

// rig is a stack with nodes on it. Its methods Begin and End are called by one
// goroutine at a time, and Crashed by another.
type rig struct {
	stack       *stack.Stack
	environment gate.Environment
	// clickHouse stands between the nodes and ClickHouse. The fleet looks into the
	// tables past it.
	clickHouse *proxy.Proxy
	frozen     bool
	nodes      []*node
}

// open starts a stack and the nodes. After an error nothing is left running.
func open(ctx context.Context, cfg stack.Config, program string, nodes int) (_ *rig, err error) {
	r := &rig{environment: play.Here()}
	if r.stack, err = stack.Start(ctx, cfg); err != nil {
		return nil, err
	}
	if err := r.prepare(ctx, program, nodes); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) prepare(ctx context.Context, program string, nodes int) error {
	a := r.stack.Addresses()
	version, err := clickHouseVersion(ctx, a.ClickHouse)
	if err != nil {
		return err
	}
	r.environment.Kafka, r.environment.ClickHouse, r.environment.Partitions = a.Kafka.Name, version, partitions
	port, err := child.FreePort()
	if err != nil {
		return err
	}
	if r.clickHouse, err = proxy.Listen("clickhouse", port, a.ClickHouse.Native); err != nil {
		return err
	}
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, topic, partitions, nil); err != nil {
		return err
	}
	for i := range nodes {
		n, err := newNode(fmt.Sprintf("ingest-%d", i+1), program, a, r.clickHouse.Addr())
		if err != nil {
			return err
		}
		r.nodes = append(r.nodes, n)
	}
	migrate, err := child.Start(child.Spec{
		Name: "ingest migrate", Args: []string{program, "migrate", "--config", r.nodes[0].spec.Config}, Log: filepath.Join(a.State, "logs", "migrate.log"),
	})
	if err != nil {
		return err
	}
	if err := migrate.Wait(ctx); err != nil {
		return err
	}
	return r.start(ctx, r.nodes)
}

func clickHouseVersion(ctx context.Context, a stack.ClickHouseAddress) (version string, err error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.Native}, Auth: clickhouse.Auth{Database: a.Database, Username: a.User, Password: a.Password},
	})
	if err != nil {
		return "", err
	}
	err = conn.QueryRow(ctx, "SELECT version()").Scan(&version)
	return version, errors.Join(err, conn.Close())
}

// close ends what runs, the nodes first.
func (r *rig) close() error {
	var errs []error
	if r.frozen {
		errs = append(errs, r.thaw())
	}
	for _, n := range r.nodes {
		if p := n.take(); p != nil {
			errs = append(errs, p.Stop())
		}
	}
	if r.clickHouse != nil {
		r.clickHouse.Close()
	}
	return errors.Join(append(errs, r.stack.Stop())...)
}

// target is where the fleet sends and looks.
func (r *rig) target() loadtest.Config {
	a, c := r.stack.Addresses(), loadtest.DefaultConfig()
	c.Brokers, c.Topic, c.DeadLetters = a.Kafka.Brokers, topic, deadLetters
	c.ClickHouse.Addr, c.ClickHouse.User, c.ClickHouse.Password, c.ClickHouse.Database = a.ClickHouse.Native, a.ClickHouse.User, transport.NewSecret(a.ClickHouse.Password), a.ClickHouse.Database
	return c
}

func (r *rig) admins() []string {
	var all []string
	for _, n := range r.nodes {
		all = append(all, n.spec.Admin)
	}
	return all
}

// others is the CPU time of the stack's processes, and of this one with the fleet
// in it, in seconds. Kafka has none of its own where it is kfake.
func (r *rig) others() (map[string]float64, error) {
	a, all := r.stack.Addresses(), map[string]float64{}
	for name, pid := range map[string]int{"kafka": a.Kafka.Pid, "clickhouse": a.ClickHouse.Pid, "fleet": os.Getpid()} {
		if pid == 0 {
			continue
		}
		seconds, err := procfs.CPUSeconds(pid)
		if err != nil {
			return nil, fmt.Errorf("CPU time of %s: %w", name, err)
		}
		all[name] = seconds
	}
	return all, nil
}

// nodeTemplate sets only what a stack decides: the product's defaults are what is
// tried.
var nodeTemplate = template.Must(template.New("ingest").Parse(`# Written by the load test.
kafka:
  brokers: [{{range $i, $b := .Kafka.Brokers}}{{if $i}}, {{end}}{{printf "%q" $b}}{{end}}]
  topic: {{printf "%q" .Topic}}
  group: {{printf "%q" .Group}}
  dead_letter_topic: {{printf "%q" .DeadLetters}}
clickhouse:
  addr: {{printf "%q" .At}}
  user: {{printf "%q" .ClickHouse.User}}
  password: {{printf "%q" .ClickHouse.Password}}
  database: {{printf "%q" .ClickHouse.Database}}
admin:
  addr: {{printf "%q" .Admin}}
`))

// newNode writes the config of a node.
func newNode(name, program string, a stack.Addresses, clickHouse string) (*node, error) {
	port, err := child.FreePort()
	if err != nil {
		return nil, err
	}
	spec := ingest.Spec{Name: name, Program: program, Config: filepath.Join(a.State, name+".yaml"), Admin: child.Loopback(port), Log: filepath.Join(a.State, "logs", name+".log")}
	var b strings.Builder
	if err := nodeTemplate.Execute(&b, struct {
		stack.Addresses
		Topic, Group, DeadLetters, At, Admin string
	}{a, topic, group, deadLetters, clickHouse, spec.Admin}); err != nil {
		return nil, fmt.Errorf("write the config of %s: %w", name, err)
	}
	// It holds a password.
	return &node{spec: spec}, os.WriteFile(spec.Config, []byte(b.String()), 0o600)
}
