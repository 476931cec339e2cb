package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/ops/local/child"
	"penstock/ops/local/fetch"
)

// The one account of ClickHouse. It guards nothing: the server listens on the
// loopback interface only; but clients have to be able to send one.
const (
	user     = "penstock"
	password = "penstock"
)

// ClickHouse is the ClickHouse server of a stack, as a process. It keeps its
// addresses and its data over a Stop or Kill and the Start after it. The caller
// calls Start, Stop and Kill one at a time.
type ClickHouse struct {
	spec         child.Spec
	data         string
	disk         int // MiB of the disk of its own; 0: none
	discards     bool
	grants       string // path of a script; empty: every right
	native, http string
	process      *child.Process // nil while it does not run
}

func newClickHouse(cfg Config) *ClickHouse {
	dir := filepath.Join(cfg.State, "clickhouse")
	c := &ClickHouse{
		native: child.Loopback(cfg.Ports.ClickHouseNative),
		http:   child.Loopback(cfg.Ports.ClickHouseHTTP),
		data:   filepath.Join(dir, "data"),
	}
	command := cfg.ClickHouse
	if len(command) == 0 {
		command = []string{"/proc/self/exe", "clickhouse"}
		if self, err := os.Executable(); err == nil {
			command[0] = self
		}
	}
	c.spec = child.Spec{
		Name: "clickhouse",
		Args: append(append([]string{}, command...),
			"--lib", cfg.Cache.Path(fetch.ClickHouse),
			"--path", c.data,
			"--tcp", c.native, "--http", c.http, "--user", user),
		Env: []string{"CLICKHOUSE_PASSWORD=" + password},
		Log: filepath.Join(dir, "clickhouse.log"),
		// It lets running statements end before it closes the engine.
		StopTimeout: 30 * time.Second,
	}
	return c
}

// StartClickHouse starts ClickHouse alone, for what needs nothing else of a
// stack. Of cfg it takes State, Cache, Ports and ClickHouse; the folder is the
// caller's alone.
func StartClickHouse(ctx context.Context, cfg Config) (*ClickHouse, error) {
	if err := errors.Join(cfg.Ports.settle(), cfg.Cache.Ensure(ctx, fetch.ClickHouse)); err != nil {
		return nil, err
	}
	c := newClickHouse(cfg)
	return c, c.Start(ctx)
}

// Address is where the server is.
func (c *ClickHouse) Address() ClickHouseAddress {
	return ClickHouseAddress{Native: c.native, HTTP: c.http, User: user, Password: password, Database: database, Pid: pid(c)}
}

// Process is the server's process; nil while it does not run.
func (c *ClickHouse) Process() *child.Process { return c.process }

// Start starts the server and waits until both of its protocols answer and the
// database is there.
func (c *ClickHouse) Start(ctx context.Context) error {
	spec := c.spec
	if c.discards {
		spec.Args = append(slices.Clip(spec.Args), "--discard-inserts")
	}
	if c.grants != "" {
		spec.Args = append(slices.Clip(spec.Args), "--grants", c.grants)
	}
	if c.disk > 0 {
		spec.Args = append(confined(c.disk, c.data), spec.Args...)
	}
	process, err := child.Start(spec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("clickhouse did not answer within a minute"))
	defer cancel()
	if err := process.Await(ctx, c.answers); err != nil {
		return errors.Join(err, process.Kill())
	}
	c.process = process
	return nil
}

// DiscardInserts has the server count rows instead of storing them, or store
// them again, from its next Start.
func (c *ClickHouse) DiscardInserts(discard bool) { c.discards = discard }

// Grant has the account have the rights of this script of GRANT statements and no
// others, from its next Start; every right again if it is empty. It is the
// engine that holds the account to them.
func (c *ClickHouse) Grant(script string) { c.grants = script }

// answers asks over both protocols; the native one is asked for the database.
func (c *ClickHouse) answers(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.http+"/ping", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET http://%s/ping: %s", c.http, response.Status)
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{c.native},
		Auth: clickhouse.Auth{Username: user, Password: password},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if c.grants != "" {
		return conn.Ping(ctx) // there may be no right to create it
	}
	return conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+database)
}

// Stop stops the server in good order.
func (c *ClickHouse) Stop() error {
	if c.process == nil {
		return nil
	}
	err := c.process.Stop()
	c.process = nil
	return err
}

// Kill ends the server as a power cut would.
func (c *ClickHouse) Kill() error {
	if c.process == nil {
		return nil
	}
	err := c.process.Kill()
	c.process = nil
	return err
}
