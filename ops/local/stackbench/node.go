package stackbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"

	"penstock/ops/local/ingest"
	"penstock/ops/local/stack"
)

// settings are what the node's config file is made of.
type settings struct {
	Kafka                     stack.KafkaAddress
	ClickHouse                stack.ClickHouseAddress
	Topic, DeadLetters, Group string
	Recovery                  string
	Admin                     string
}

// The node's settings are the product's defaults. Profiles can be taken while a
// phase lasts.
var nodeTemplate = template.Must(template.New("ingest").Parse(`# Written by the bench of the whole stack.
kafka:
  brokers: [{{range $i, $b := .Kafka.Brokers}}{{if $i}}, {{end}}{{printf "%q" $b}}{{end}}]
  topic: {{printf "%q" .Topic}}
  group: {{printf "%q" .Group}}
  dead_letter_topic: {{printf "%q" .DeadLetters}}
{{- if .Recovery}}
  recovery: {{printf "%q" .Recovery}}
{{- end}}
clickhouse:
  addr: {{printf "%q" .ClickHouse.Native}}
  user: {{printf "%q" .ClickHouse.User}}
  password: {{printf "%q" .ClickHouse.Password}}
  database: {{printf "%q" .ClickHouse.Database}}
admin:
  addr: {{printf "%q" .Admin}}
  pprof: true
`))

func nodeConfig(s settings) (string, error) {
	var b strings.Builder
	if err := nodeTemplate.Execute(&b, s); err != nil {
		return "", fmt.Errorf("write the node's config: %w", err)
	}
	return b.String(), nil
}

// writeConfig writes the node's config with the given recovery.
func (r *rig) writeConfig(recovery string) error {
	a := r.stack.Addresses()
	text, err := nodeConfig(settings{
		Kafka: a.Kafka, ClickHouse: a.ClickHouse,
		Topic: topic, DeadLetters: deadLetters, Group: group,
		Recovery: recovery, Admin: r.admin,
	})
	if err != nil {
		return err
	}
	// It holds a password.
	return os.WriteFile(r.config, []byte(text), 0o600)
}

// startNode starts the node and waits until it says it is ready.
func (r *rig) startNode(ctx context.Context) error {
	n, err := ingest.Start(ingest.Spec{
		Name: "ingest", Program: r.program("ingest"),
		Config: r.config, Admin: r.admin, Log: r.log("ingest"),
	})
	if err != nil {
		return err
	}
	if err := n.AwaitReady(ctx); err != nil {
		return errors.Join(err, n.Kill())
	}
	r.node = n
	r.say("ingest is ready (pid %d), its page is http://%s/metrics", n.Pid(), r.admin)
	return nil
}
