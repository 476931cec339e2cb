package coldfaults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"penstock/ops/local/child"
	"penstock/ops/local/stack"
)

// program is how one compactor of a round is run: its config, its log, and the
// process while there is one. One goroutine at a time starts, stops or kills it.
type program struct {
	name, path, config, log string
	every                   time.Duration
	process                 *child.Process // nil before the first start
	from                    int64          // where in the log the present process began
}

// settings are what a compactor's config is made of.
type settings struct {
	ClickHouse stack.ClickHouseAddress
	S3         stack.S3Address
	Database   string
	// Endpoint is where the compactor reaches S3, Queries where ClickHouse does.
	Endpoint, Queries string
	Spool             string
	Config            Config
}

var compactorConfig = template.Must(template.New("compactor").Parse(`clickhouse:
  addr: "{{.ClickHouse.Native}}"
  user: "{{.ClickHouse.User}}"
  password: "{{.ClickHouse.Password}}"
  database: "{{.Database}}"
  named_collection: "cold_of_{{.Database}}"
  s3_endpoint: "{{.Queries}}"
s3: {endpoint: "{{.Endpoint}}", bucket: "{{.S3.Bucket}}", prefix: "{{.Database}}", access_key: "{{.S3.AccessKey}}", secret_key: "{{.S3.SecretKey}}", answer_timeout: 2s}
hot_days: 1
late_every: 0s
merge_generations: 3
merge_rows: 10000
settle: {{.Config.Settle}}
grace: {{.Config.Grace}}
lease_ttl: {{.Config.LeaseTTL}}
file_bytes: 1 # each row group is a file
row_group_rows: {{.Config.FileRows}}
days_at_once: 2
spool_dir: "{{.Spool}}"
admin: {addr: ""}
`))

// write writes the config, which holds a password.
func (p *program) write(s settings) error {
	s.Spool = filepath.Join(filepath.Dir(p.config), p.name+"-spool")
	var text bytes.Buffer
	if err := errors.Join(os.MkdirAll(s.Spool, 0o755), compactorConfig.Execute(&text, s)); err != nil {
		return err
	}
	return os.WriteFile(p.config, text.Bytes(), 0o600)
}

// start starts passes, with variables added to the environment.
func (p *program) start(env ...string) (err error) {
	p.from = 0
	if info, err := os.Stat(p.log); err == nil {
		p.from = info.Size()
	}
	p.process, err = child.Start(child.Spec{
		Name: p.name, Env: env, Log: p.log, StopTimeout: 20 * time.Second,
		Args: []string{p.path, "run", "--every", p.every.String(), "--config", p.config},
	})
	return err
}

// running tells whether there is a process, stopped or not.
func (p *program) running() bool {
	if p.process == nil {
		return false
	}
	select {
	case <-p.process.Done():
		return false
	default:
		return true
	}
}

// kill ends it as a power cut would.
func (p *program) kill() error {
	if p.process == nil {
		return nil
	}
	return p.process.Kill()
}

// resume has it go on after a SIGSTOP.
func (p *program) resume() error {
	if err := syscall.Kill(p.process.Pid(), syscall.SIGCONT); err != nil {
		return fmt.Errorf("send SIGCONT to %s: %w", p.name, err)
	}
	return nil
}

// said returns what the present process has written to its log.
func (p *program) said() (_ string, err error) {
	f, err := os.Open(p.log)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // read only
	if _, err := f.Seek(p.from, io.SeekStart); err != nil {
		return "", err
	}
	text, err := io.ReadAll(f)
	return string(text), err
}

// reached tells whether the present process has come to the failpoint it was
// armed with.
func (p *program) reached(point string) (bool, error) {
	said, err := p.said()
	return strings.Contains(said, "failpoint: "+point+"\n"), err
}

// leases is how often the present process has taken the lease.
func (p *program) leases() (int, error) {
	said, err := p.said()
	return strings.Count(said, "lease taken"), err
}

// failures returns the errors of passes in a log, but for those of a compactor
// that found, at whatever moment, that another holds the lease; and that it read
// the lease while it was replaced, of which the local gateway may give the new
// bytes with the old checksum, since it keeps both in files of their own.
func failures(log string) (errs []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "pass failed") && !strings.Contains(line, "another compactor holds the lease") &&
			!strings.Contains(line, "lease.json: its SHA-256 is") {
			errs = append(errs, strings.TrimSpace(line))
		}
	}
	return errs
}
