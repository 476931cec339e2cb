package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"penstock/ops/local/child"
	"penstock/ops/local/stack"
)

// settings are what a node's config file is made of.
type settings struct {
	stack.Addresses
	Case
	Topic, DeadLetters, Group, Database string
	Admin                               string
	Profile                             bool
}

// The node's defaults are what is measured; the file sets only what the bench
// decides. %q of a string is a string of YAML, too.
var nodeConfig = template.Must(template.New("ingest").Parse(`# Written by the bench.
kafka:
  brokers: [{{range $i, $b := .Kafka.Brokers}}{{if $i}}, {{end}}{{printf "%q" $b}}{{end}}]
  topic: {{printf "%q" .Topic}}
  encoding: {{.Encoding}}
  group: {{printf "%q" .Group}}
  dead_letter_topic: {{printf "%q" .DeadLetters}}
clickhouse:
  addr: {{printf "%q" .ClickHouse.Native}}
  user: {{printf "%q" .ClickHouse.User}}
  password: {{printf "%q" .ClickHouse.Password}}
  database: {{printf "%q" .Database}}
  compression: {{.Compression}}
admin:
  addr: {{printf "%q" .Admin}}
  pprof: {{.Profile}}
`))

// writeConfig writes the config file of a run and returns its path and the
// address of the node's admin server.
func (s *session) writeConfig(c Case, t topic, name string, profile bool) (path, admin string, err error) {
	port, err := child.FreePort()
	if err != nil {
		return "", "", err
	}
	values := settings{
		Addresses: s.stack.Addresses(), Case: c,
		Topic: t.name, DeadLetters: t.name + ".dead", Group: name, Database: name,
		Admin: child.Loopback(port), Profile: profile,
	}
	var text strings.Builder
	if err := nodeConfig.Execute(&text, values); err != nil {
		return "", "", fmt.Errorf("write a node's config: %w", err)
	}
	path = filepath.Join(values.State, name+".yaml")
	// It holds a password.
	return path, values.Admin, os.WriteFile(path, []byte(text.String()), 0o600)
}
