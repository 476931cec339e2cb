package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"penstock/ops/local/child"
	"penstock/ops/local/stack"
	"penstock/schema"
)

// settings are what the config files of the programs are made of.
type settings struct {
	stack.Addresses
	Topic, DeadLetters, Group string
	Encoding                  schema.Encoding
	ColdPrefix                string
	Admin                     admin
}

// admin is where the programs' admin pages are.
type admin struct{ Ingest, Compactor string }

// The programs' defaults are what is to be tried; the files set only what a
// stack decides. %q of a string is a string of YAML, too.
var (
	ingestConfig = template.Must(template.New("ingest").Parse(`# Written by the local stack.
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
  database: {{printf "%q" .ClickHouse.Database}}
admin:
  addr: {{printf "%q" .Admin.Ingest}}
page:
  peers: [{{printf "%q" .Admin.Compactor}}]
`))
	compactorConfig = template.Must(template.New("compactor").Parse(`# Written by the local stack.
clickhouse:
  addr: {{printf "%q" .ClickHouse.Native}}
  user: {{printf "%q" .ClickHouse.User}}
  password: {{printf "%q" .ClickHouse.Password}}
  database: {{printf "%q" .ClickHouse.Database}}
s3:
  endpoint: {{printf "%q" .S3.Endpoint}}
  region: {{printf "%q" .S3.Region}}
  bucket: {{printf "%q" .S3.Bucket}}
  prefix: {{printf "%q" .ColdPrefix}}
  access_key: {{printf "%q" .S3.AccessKey}}
  secret_key: {{printf "%q" .S3.SecretKey}}
  path_style: true
hot_days: 30
# Nobody's query is older than this stack's: a day may go at once.
grace: 0s
admin:
  addr: {{printf "%q" .Admin.Compactor}}
`))
)

func render(t *template.Template, s settings) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, s); err != nil {
		return "", fmt.Errorf("write the config of %s: %w", t.Name(), err)
	}
	return b.String(), nil
}

// writeConfigs settles where everything of the session is and writes the
// programs' config files.
func (s *session) writeConfigs(a stack.Addresses) error {
	var ports [2]int
	for i := range ports {
		var err error
		if ports[i], err = child.FreePort(); err != nil {
			return err
		}
	}
	in := func(elem ...string) string { return filepath.Join(append([]string{a.State}, elem...)...) }
	s.files = files{
		ingest:     in("ingest.yaml"),
		compactor:  in("compactor.yaml"),
		admin:      admin{Ingest: child.Loopback(ports[0]), Compactor: child.Loopback(ports[1])},
		report:     in("loadtest.json"),
		fleetState: in("fleet.json"),
		logs:       in("logs"),
	}
	values := settings{
		Addresses:   a,
		Topic:       topic,
		Encoding:    s.cfg.Fleet.encoding(),
		DeadLetters: deadLetters,
		Group:       group,
		ColdPrefix:  coldPrefix,
		Admin:       s.files.admin,
	}
	for path, t := range map[string]*template.Template{s.files.ingest: ingestConfig, s.files.compactor: compactorConfig} {
		text, err := render(t, values)
		if err != nil {
			return err
		}
		// They hold passwords.
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
