package tsbs

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
	"penstock/schema"
)

// Config says what to run and where to tell about it.
type Config struct {
	// Stack is the stack to start. It has no S3.
	Stack stack.Config
	// Ingest is the path of the program.
	Ingest string
	Fleet  Fleet
	// Progress is told what happens.
	Progress io.Writer
}

// files are the schema files, by the name of the stream.
//
//go:embed readings.yaml diagnostics.yaml
var files embed.FS

// streams are TSBS's measurements, and so the topics, schemas and tables.
var streams = []string{"readings", "diagnostics"}

const (
	// partitions of each topic.
	partitions = 4
	database   = "tsbs"
)

func schemas() (map[string]*schema.Schema, error) {
	all := map[string]*schema.Schema{}
	for _, name := range streams {
		text, err := files.ReadFile(name + ".yaml")
		if err != nil {
			return nil, err
		}
		if all[name], err = schema.Parse(text); err != nil {
			return nil, fmt.Errorf("%s.yaml: %w", name, err)
		}
	}
	return all, nil
}

// rig is the stack with the node on it.
type rig struct {
	cfg    Config
	began  time.Time
	stack  *stack.Stack
	dir    string // of the node's config and the schema files
	admin  string // host:port of the node
	config string // file of the node
}

// Run simulates the fleet, sends what it sends through Kafka and one node to
// ClickHouse, and proves what arrived. The error says what could not be done or
// what is wrong; with the latter the result is complete.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	simulated, err := Simulate(cfg.Fleet)
	if err != nil {
		return result, err
	}
	cfg.Stack.WithoutS3 = true
	r := &rig{cfg: cfg, began: time.Now()}
	if r.stack, err = stack.Start(ctx, cfg.Stack); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, r.stack.Stop()) }()
	if err := r.prepare(ctx); err != nil {
		return result, err
	}
	began := time.Now()
	node, err := r.start(ctx)
	if err != nil {
		return result, err
	}
	err = r.send(ctx, simulated)
	if err == nil {
		err = r.await(ctx, node, len(simulated.Sends))
	}
	// What is decoded is stored and committed by a stop.
	if err = errors.Join(err, node.Stop()); err != nil {
		return result, err
	}
	r.say("all is stored; proving it")
	result, err = r.prove(ctx, simulated, began)
	r.say("%s", result)
	return result, errors.Join(err, result.fault())
}

// The node's settings are the product's defaults.
var nodeTemplate = template.Must(template.New("ingest").Parse(`# Written by local tsbs.
kafka:
  brokers: [{{range $i, $b := .At.Kafka.Brokers}}{{if $i}}, {{end}}{{printf "%q" $b}}{{end}}]
clickhouse:
  addr: {{printf "%q" .At.ClickHouse.Native}}
  user: {{printf "%q" .At.ClickHouse.User}}
  password: {{printf "%q" .At.ClickHouse.Password}}
  database: {{.Database}}
admin:
  addr: {{printf "%q" .Admin}}
streams:
{{- range .Streams}}
  {{.}}: {schema: {{printf "%q" (printf "%s/%s.yaml" $.Dir .)}}}
{{- end}}
`))

// prepare writes the config and creates topics and tables.
func (r *rig) prepare(ctx context.Context) error {
	a := r.stack.Addresses()
	port, err := child.FreePort()
	if err != nil {
		return err
	}
	r.admin, r.dir = child.Loopback(port), a.State
	r.config = filepath.Join(r.dir, "ingest.yaml")
	for _, name := range streams {
		text, err := files.ReadFile(name + ".yaml")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.dir, name+".yaml"), text, 0o644); err != nil {
			return err
		}
		if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, name, partitions, nil); err != nil {
			return err
		}
	}
	var text strings.Builder
	err = nodeTemplate.Execute(&text, struct {
		At                   stack.Addresses
		Database, Admin, Dir string
		Streams              []string
	}{a, database, r.admin, r.dir, streams})
	if err != nil {
		return err
	}
	// It holds a password.
	if err := os.WriteFile(r.config, []byte(text.String()), 0o600); err != nil {
		return err
	}
	migrate, err := child.Start(child.Spec{Name: "ingest migrate", Args: []string{r.cfg.Ingest, "migrate", "--config", r.config}, Log: r.log("migrate")})
	if err != nil {
		return err
	}
	if err := migrate.Wait(ctx); err != nil {
		return err
	}
	r.say("%s and ClickHouse are up, with topics and tables of %s", a.Kafka.Name, strings.Join(streams, " and "))
	return nil
}

func (r *rig) start(ctx context.Context) (*ingest.Node, error) {
	node, err := ingest.Start(ingest.Spec{Name: "ingest", Program: r.cfg.Ingest, Config: r.config, Admin: r.admin, Log: r.log("ingest")})
	if err != nil {
		return nil, err
	}
	if err := node.AwaitReady(ctx); err != nil {
		return nil, errors.Join(err, node.Kill())
	}
	return node, nil
}

// send produces what the fleet sends, each truck's events in order.
func (r *rig) send(ctx context.Context, s Simulation) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.stack.Addresses().Kafka.Brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	var first kgo.FirstErrPromise
	for _, i := range s.Sends {
		e := s.Events[i]
		value, err := e.JSON()
		if err != nil {
			return err
		}
		client.Produce(ctx, &kgo.Record{Topic: e.Stream, Key: []byte(e.Device), Value: value}, first.Promise())
	}
	if err := first.Err(); err != nil {
		return fmt.Errorf("send to Kafka: %w", err)
	}
	r.say("sent %d events of %d trucks, %d of them twice", len(s.Events), r.cfg.Fleet.Trucks, len(s.Sends)-len(s.Events))
	return nil
}

// arrival is how long the node may take for all of it.
const arrival = 2 * time.Minute

// await waits until the node has sealed a batch with the last record.
func (r *rig) await(ctx context.Context, node *ingest.Node, records int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, arrival, fmt.Errorf("not all of %d records were stored within %v", records, arrival))
	defer cancel()
	return node.Await(ctx, func(ctx context.Context) error {
		page, err := node.Metrics(ctx)
		if err != nil {
			return err
		}
		sealed, err := page.Sum("penstock_ingest_sealed_records_total")
		if err == nil && int(sealed) < records {
			err = fmt.Errorf("%.0f of %d records are sealed", sealed, records)
		}
		return err
	})
}

func (r *rig) log(name string) string { return filepath.Join(r.dir, "logs", name+".log") }

// say tells what happens, with the time since the beginning.
func (r *rig) say(format string, args ...any) {
	// A progress nobody can read any more is no reason to stop.
	_, _ = fmt.Fprintf(r.cfg.Progress, "[%6.1fs] %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// audit runs "ingest audit" over all that was sent since, and returns each
// stream's report by its topic.
func (r *rig) audit(ctx context.Context, since time.Time) (map[string]report, error) {
	file := filepath.Join(r.dir, "audit.json")
	audit, err := child.Start(child.Spec{
		Name: "ingest audit", Log: file,
		Args: []string{r.cfg.Ingest, "audit", "--json", "--config", r.config, "--from", since.Add(-time.Minute).UTC().Format(time.RFC3339)},
	})
	if err != nil {
		return nil, err
	}
	exit := audit.Wait(ctx)
	text, err := os.Open(file)
	if err != nil {
		return nil, errors.Join(exit, err)
	}
	reports := map[string]report{}
	for d := json.NewDecoder(text); ; {
		var one report
		if err = d.Decode(&one); err != nil {
			break
		}
		reports[one.Topic] = one
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return reports, errors.Join(exit, err, text.Close())
}

// report is what is read of an audit's.
type report struct {
	Topic   string `json:"topic"`
	Verdict string `json:"verdict"`
	Total   struct {
		Stored     int `json:"stored"`
		Duplicates int `json:"duplicates"`
		Rejects    int `json:"rejects"`
	} `json:"total"`
}
