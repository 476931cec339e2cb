package stacktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/child"
	"penstock/ops/local/fetch"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/proxy"
	"penstock/ops/local/s3/faultproxy"
	"penstock/ops/local/stack"
	"penstock/ops/reference"
	"penstock/ops/runbooks"
)

// rehearsal is the product on a stack that breaks, and a hand that types what
// runbooks say.
type rehearsal struct {
	stack *stack.Stack
	at    stack.Addresses
	// What is between the programs and the servers.
	inserts    proxy.Inserts
	clickHouse *proxy.Proxy
	s3         *faultproxy.Proxy
	// dir has the config files, and is where commands are typed; path is where the
	// shell finds programs.
	dir, path string
	// admin are the admin addresses by the port that runbooks have for them.
	admin map[string]string
	node  *ingest.Node // nil while none runs
	kafka *kgo.Client
	group *kadm.Client
	// sent is how many events were, and the number of the next.
	sent int
	// typed are the commands that were.
	typed map[string]bool
}

// partitions of the topic; runbooks have number 3 in their commands.
const rehearsed = 4

func newRehearsal(t *testing.T) *rehearsal {
	t.Helper()
	s := start(t, "")
	if s.Addresses().Kafka.Name == string(kafka.KFake) {
		t.Skip("runbooks have Kafka's own commands, which need Java")
	}
	r := &rehearsal{stack: s, at: s.Addresses(), dir: t.TempDir(), admin: map[string]string{}, typed: map[string]bool{}}
	if err := stack.CanConfine(t.Context()); err != nil {
		t.Logf("ClickHouse has no disk of its own, to be filled: %v", err)
	} else {
		if err := s.ClickHouse.Stop(); err != nil {
			t.Fatal(err)
		}
		s.ClickHouse.Confine(diskMiB)
		if err := s.ClickHouse.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if r.clickHouse, err = proxy.Listen("clickhouse", freePort(t), r.at.ClickHouse.Native, r.inserts.Watch()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.clickHouse.Close)
	if r.s3, err = faultproxy.Listen(r.at.S3.Endpoint); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.s3.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, known := range []string{"9464", "9465", "9467", "9468"} {
		r.admin[known] = freeAddr(t)
	}
	r.shell(t)
	r.configure(t, "")
	overwrite(t, filepath.Join(r.dir, "compactor.yaml"), fmt.Appendf(nil, `clickhouse: {addr: %q, user: %q, password: %q, database: %q}
s3: {endpoint: %q, region: %q, bucket: %q, prefix: cold, access_key: %q, secret_key: %q, path_style: true}
grace: 0s
lease_ttl: 2s
admin: {addr: %q, unready_after: 1s}
`, r.at.ClickHouse.Native, r.at.ClickHouse.User, r.at.ClickHouse.Password, r.at.ClickHouse.Database,
		r.s3.Endpoint(), r.at.S3.Region, r.at.S3.Bucket, r.at.S3.AccessKey, r.at.S3.SecretKey, r.admin["9465"]))
	if err := kafka.CreateTopic(t.Context(), r.at.Kafka.Brokers, "telemetry", rehearsed, nil); err != nil {
		t.Fatal(err)
	}
	if out, status := r.run(t, "ingest migrate --config ingest.yaml"); status != 0 {
		t.Fatal(out)
	}
	r.kafka = kafkaClient(t, r.at, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	r.group = kadm.NewClient(r.kafka)
	t.Cleanup(func() { r.stop(t) })
	return r
}

// diskMiB is ClickHouse's disk: enough for what is sent, and quickly filled.
const diskMiB = 384

// shell makes the folder of the programs that are typed: the product's, and Kafka's,
// whose scripts are Java's start of a class.
func (r *rehearsal) shell(t *testing.T) {
	t.Helper()
	dir, err := fetch.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	jars := filepath.Dir(fetch.Cache{Dir: dir}.Path(fetch.Kafka))
	scripts := t.TempDir()
	for script, class := range map[string]string{
		"kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
		"kafka-get-offsets.sh":     "org.apache.kafka.tools.GetOffsetShell",
		"kafka-configs.sh":         "kafka.admin.ConfigCommand",
	} {
		text := fmt.Sprintf("#!/bin/sh\nexec java -Xmx128m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp '%s/*' %s \"$@\"\n", jars, class)
		if err := os.WriteFile(filepath.Join(scripts, script), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.path = products(t) + ":" + scripts + ":" + os.Getenv("PATH")
}

// configure writes the node's config. What takes minutes for a person takes seconds here.
func (r *rehearsal) configure(t *testing.T, more string) {
	t.Helper()
	overwrite(t, filepath.Join(r.dir, "ingest.yaml"), fmt.Appendf(nil, `kafka: {brokers: [%q], topic: telemetry, session_timeout: 2s}
clickhouse: {addr: %q, user: %q, password: %q, database: %q, insert_timeout: 5s}
breaker: {window: 5s, cooldown: 200ms}
rejects: {least: 100}
lanes: 2
admin: {addr: %q, unready_after: 1s}
scaling: {nodes: [%q], every: 250ms, up_after: 500ms, down_after: 1s, addr: %q}
watch: {addr: %q}
%s`, r.at.Kafka.Brokers[0], r.clickHouse.Addr(), r.at.ClickHouse.User, r.at.ClickHouse.Password, r.at.ClickHouse.Database,
		r.admin["9464"], r.admin["9464"], r.admin["9467"], r.admin["9468"], more))
}

// here has what runbooks call their servers as they are called here.
func (r *rehearsal) here(text string) string {
	pairs := []string{"kafka-1:9092", r.at.Kafka.Brokers[0]}
	for known, at := range r.admin {
		pairs = append(pairs, "localhost:"+known, at)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// run has the shell run a command to its end.
func (r *rehearsal) run(t *testing.T, command string) (out string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", r.here(command))
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), "PATH="+r.path)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", command, err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// sql asks ClickHouse, not through what is broken. The answer has a line a row and
// tabs between columns.
func (r *rehearsal) sql(t *testing.T, statement string) (string, error) {
	t.Helper()
	a := r.at.ClickHouse
	to := "http://" + a.HTTP + "/?" + url.Values{"user": {a.User}, "password": {a.Password}, "database": {a.Database}}.Encode()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(statement))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", statement, text)
	}
	return string(text), err
}

// step returns the one command of a section of a runbook that has this in it.
func (r *rehearsal) step(t *testing.T, id, section, part string) reference.Step {
	t.Helper()
	book, ok := runbooks.Get(id)
	if !ok {
		t.Fatalf("there is no runbook %s", id)
	}
	steps, err := reference.Steps(book)
	if err != nil {
		t.Fatal(err)
	}
	var found []reference.Step
	for _, s := range steps {
		if s.Section == section && strings.Contains(s.Text, part) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("runbook %s has %d commands with %q under %s, want one", id, len(found), part, section)
	}
	return found[0]
}

// try types a command of a runbook, with some of it replaced by what is so here, in pairs.
func (r *rehearsal) try(t *testing.T, id, section, part string, replace ...string) (out string, status int) {
	t.Helper()
	s := r.step(t, id, section, part)
	r.typed[s.Text] = true
	text := strings.NewReplacer(replace...).Replace(s.Text)
	if s.Language == "sh" {
		return r.run(t, text)
	}
	out, err := r.sql(t, text)
	if err != nil {
		return err.Error(), 1
	}
	return out, 0
}

// do is try of what has to succeed.
func (r *rehearsal) do(t *testing.T, id, section, part string, replace ...string) string {
	t.Helper()
	out, status := r.try(t, id, section, part, replace...)
	if status != 0 {
		t.Fatalf("%s, %s: a command ended with %d: %s", id, section, status, out)
	}
	return out
}

// sees types a command until what it says has all of this in it.
func (r *rehearsal) sees(t *testing.T, id, section, part string, want ...string) string {
	t.Helper()
	var out string
	eventually(t, fmt.Sprintf("%s, %s, %s: %q", id, section, part, want), func() error {
		out, _ = r.try(t, id, section, part)
		for _, w := range want {
			if !strings.Contains(out, w) {
				return fmt.Errorf("it says %s", out)
			}
		}
		return nil
	})
	return out
}

// leads waits until the watcher's page, where the list of runbooks has one begin, leads
// to the runbook.
func (r *rehearsal) leads(t *testing.T, id string) {
	t.Helper()
	eventually(t, "a page that leads to "+id, func() error {
		out, status := r.run(t, "ingest top --addr localhost:9468 --once")
		if status != 0 || !strings.Contains(out, "runbook      "+id) {
			return errors.New(out)
		}
		t.Logf("the page says\n%s", out)
		return nil
	})
}

// overAndProven types what a runbook has under Check: the node is ready, nothing is
// behind, and each offset is accounted for.
func (r *rehearsal) overAndProven(t *testing.T, id string) {
	t.Helper()
	r.sees(t, id, "Check", "/readyz", "ok")
	eventually(t, "commit of all that was sent", func() error { return r.committed(t.Context()) })
	r.proven(t, id)
}

// proven types the audit of a runbook's Check: of all that was ever sent nothing is
// missing and nothing doubled.
func (r *rehearsal) proven(t *testing.T, id string) {
	t.Helper()
	r.do(t, id, "Check", "ingest audit")
	out, _ := r.run(t, r.step(t, id, "Check", "ingest audit").Text+" --json")
	var o struct {
		outcome
		Total struct {
			counted
			Cold int64 `json:"cold"`
		} `json:"total"`
	}
	if err := json.Unmarshal([]byte(out), &o); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := o.Total; o.Verdict != "proven" || n.Missing+n.Doubled+n.Repeated != 0 || n.Stored+n.Cold+n.Rejects+n.Duplicates != int64(r.sent) {
		t.Errorf("%d were sent: %s", r.sent, out)
	}
}

// send produces events of one device, a millisecond apart, to the partition; to all by
// turns if it is negative.
func (r *rehearsal) send(t *testing.T, n int, partition int32, device int, from time.Time) {
	t.Helper()
	if err := r.produce(t.Context(), n, partition, device, from); err != nil {
		t.Fatal(err)
	}
}

func (r *rehearsal) produce(ctx context.Context, n int, partition int32, device int, from time.Time) error {
	records := make([]*kgo.Record, n)
	for i := range records {
		p := partition
		if p < 0 {
			p = int32(r.sent % rehearsed)
		}
		records[i] = &kgo.Record{Topic: "telemetry", Partition: p, Key: fmt.Appendf(nil, "device-%d", device), Value: []byte(reading(device, r.sent, from.Add(time.Duration(i)*time.Millisecond)))}
		r.sent++
	}
	return r.kafka.ProduceSync(ctx, records...).FirstErr()
}

// sendsOn sends events all the time until the function it returns is called; nobody
// else sends until then.
func (r *rehearsal) sendsOn(t *testing.T) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				if err := r.produce(t.Context(), 10, -1, 1, time.Now()); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	return sync.OnceFunc(func() { close(ended); <-done })
}

// committed is an error unless the group has committed all of the topic.
func (r *rehearsal) committed(ctx context.Context) error {
	lag, err := r.group.Lag(ctx, "penstock")
	if err != nil {
		return err
	}
	if n := lag["penstock"].Lag.Total(); n != 0 {
		return fmt.Errorf("%d are not committed", n)
	}
	return nil
}

// start starts the node by what is typed for it; by default as it always is.
func (r *rehearsal) start(t *testing.T, command string) {
	t.Helper()
	if err := r.begin(command); err != nil {
		t.Fatal(err)
	}
	if err := r.node.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// begin starts the node and does not wait for it.
func (r *rehearsal) begin(command string) (err error) {
	spec := ingest.Spec{Name: "ingest", Program: filepath.Join(strings.SplitN(r.path, ":", 2)[0], "ingest"), Config: filepath.Join(r.dir, "ingest.yaml"), Admin: r.admin["9464"], Log: filepath.Join(r.dir, "ingest.log")}
	if rest, ok := strings.CutPrefix(command, "ingest run --config ingest.yaml"); ok && rest != "" {
		spec.Args = strings.Fields(rest)
	}
	r.node, err = ingest.Start(spec)
	return err
}

func (r *rehearsal) stop(t *testing.T) {
	t.Helper()
	if r.node == nil {
		return
	}
	if err := r.node.Stop(); err != nil {
		t.Error(err)
	}
	r.node = nil
}

// background runs a program of the product until the test ends.
func (r *rehearsal) background(t *testing.T, command string) *child.Process {
	t.Helper()
	words := strings.Fields(command)
	words[0] = filepath.Join(strings.SplitN(r.path, ":", 2)[0], words[0])
	p, err := child.Start(child.Spec{Name: command, Args: words, Dir: r.dir, Log: filepath.Join(r.dir, filepath.Base(words[0])+"-"+words[1]+".log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// metrics are the node's, added up over their labels; empty if none answers.
func (r *rehearsal) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	page, err := r.node.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, _, _ := strings.Cut(line[:strings.LastIndexByte(line, ' ')], "{")
		if _, ok := all[name]; !ok {
			all[name], _ = page.Sum(name)
		}
	}
	return all
}
