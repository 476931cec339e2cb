package faults

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"penstock/ops/local/stack"
)

// settings are what a node's config file is made of.
type settings struct {
	names
	ClickHouse                         stack.ClickHouseAddress
	KafkaProxy, ClickHouseProxy, Admin string
	SessionTimeout, InsertTimeout      time.Duration
	Recovery                           string
}

// Unexported fields of names are no template's to read.
func (s settings) Topic() string       { return s.topic }
func (s settings) DeadLetters() string { return s.deadLetters }
func (s settings) Group() string       { return s.group }
func (s settings) Database() string    { return s.database }

// The nodes' settings are the product's defaults but for times: what waits half
// a minute for a person waits seconds for a test that has hundreds of faults to
// fire. A partition is behind after a second, so that every takeover meets gaps
// where fresh records go first. Batches are twice as many, so that twice as many faults meet one.
var nodeTemplate = template.Must(template.New("ingest").Parse(`# Written by the fault harness.
kafka:
  brokers: [{{printf "%q" .KafkaProxy}}]
  topic: {{printf "%q" .Topic}}
  group: {{printf "%q" .Group}}
  dead_letter_topic: {{printf "%q" .DeadLetters}}
  session_timeout: {{.SessionTimeout}}
  recovery: {{.Recovery}}
  fresh_after: 1s
clickhouse:
  addr: {{printf "%q" .ClickHouseProxy}}
  user: {{printf "%q" .ClickHouse.User}}
  password: {{printf "%q" .ClickHouse.Password}}
  database: {{printf "%q" .Database}}
  dial_timeout: 2s
  insert_timeout: {{.InsertTimeout}}
batch:
  age: 500ms
lanes: 2
memory: 469762048
stop_timeout: 15s
admin:
  addr: {{printf "%q" .Admin}}
  pprof: true
log:
  level: debug
`))

func nodeConfig(s settings) (string, error) {
	var b strings.Builder
	if err := nodeTemplate.Execute(&b, s); err != nil {
		return "", fmt.Errorf("write a node's config: %w", err)
	}
	return b.String(), nil
}
