package stacktest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/child"
	"penstock/ops/local/kafka"
	"penstock/ops/local/procfs"
)

// TestProcessesNeedLittle: a node that stores and a compactor that makes passes, each
// as a user who may write nowhere, are reached at their admin address and nowhere
// else, write no file but the compactor its spool, and show no secret of theirs to
// who lists processes.
func TestProcessesNeedLittle(t *testing.T) {
	s := start(t, kafka.KFake)
	ctx, a := t.Context(), s.Addresses()
	const topic, events = "little", 20_000
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, topic, 2, nil); err != nil {
		t.Fatal(err)
	}
	a.ClickHouse.Database = topic
	dir := filepath.Join(t.TempDir(), "little")
	spool := filepath.Join(dir, "spool")
	if err := errors.Join(os.MkdirAll(spool, 0o755), os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755), os.Chmod(spool, 0o777)); err != nil {
		t.Fatal(err)
	}

	// run runs a program of the product, and returns what it may have open to write.
	run := func(name, config string, env []string, args ...string) (*child.Process, string) {
		t.Helper()
		program := filepath.Join(dir, name)
		if err := os.WriteFile(program, bytesOf(t, filepath.Join(products(t), name)), 0o755); err != nil {
			t.Fatal(err)
		}
		path, log := program+".yaml", program+".log"
		if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		command := slices.Concat([]string{program}, args, []string{"--config", path})
		asNobody := slices.Concat(nobody(t), command)
		p, err := child.Start(child.Spec{Name: name, Args: asNobody, Dir: "/", Log: log, Env: append(env, "HOME=/nonexistent", "TMPDIR=/nonexistent")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Stop(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, bytesOf(t, log))
			}
		})
		return p, log
	}
	// needs holds what a process has against what it may have.
	needs := func(p *child.Process, admin, log, folder string) {
		t.Helper()
		if at, err := procfs.Listening(p.Pid()); err != nil || !slices.Equal(at, []string{admin}) {
			t.Errorf("it is reached at %v (%v); want its admin address %s alone", at, err, admin)
		}
		files, err := procfs.Writing(p.Pid())
		files = slices.DeleteFunc(files, func(path string) bool { return path == log || folder != "" && strings.HasPrefix(path, folder+"/") })
		if err != nil || len(files) > 0 {
			t.Errorf("it writes %v (%v)", files, err)
		}
		line, err := procfs.CommandLine(p.Pid())
		if err != nil || !slices.Contains(line, "--config") || slices.ContainsFunc(line, func(arg string) bool { return arg == a.ClickHouse.Password || arg == a.S3.SecretKey }) {
			t.Errorf("it was started as %q (%v)", line, err)
		}
	}

	nodeAt := freeAddr(t)
	nodeConfig := fmt.Sprintf("kafka: {brokers: [%q], topic: %s}\nclickhouse: {addr: %q, user: %q, database: %s}\nadmin: {addr: %q}\n",
		a.Kafka.Brokers[0], topic, a.ClickHouse.Native, a.ClickHouse.User, topic, nodeAt)
	nodeEnv := []string{"PENSTOCK_INGEST_CLICKHOUSE__PASSWORD=" + a.ClickHouse.Password}
	migrate, log := run("ingest", nodeConfig, nodeEnv, "migrate")
	if err := migrate.Wait(ctx); err != nil {
		t.Fatalf("%v\n%s", err, bytesOf(t, log))
	}
	load := loadtest.DefaultPreload()
	load.Brokers, load.Topic, load.Records, load.Run = a.Kafka.Brokers, topic, events, "little"
	if _, err := loadtest.Preload(ctx, load); err != nil {
		t.Fatal(err)
	}
	node, log := run("ingest", nodeConfig, nodeEnv, "run")
	conn := clickHouseClient(t, a)
	limited, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("not within a minute"))
	defer cancel()
	if err := node.Await(limited, func(context.Context) error {
		var rows uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM telemetry").Scan(&rows); err != nil {
			return err
		}
		if rows < events {
			return fmt.Errorf("%d of %d events are stored", rows, events)
		}
		return nil
	}); err != nil {
		t.Fatalf("%v\n%s", err, bytesOf(t, log))
	}
	needs(node, nodeAt, log, "")

	compactorAt := freeAddr(t)
	compactor, log := run("compactor", fmt.Sprintf("clickhouse: {addr: %q, user: %q, database: %s, named_collection: little}\ns3: {endpoint: %q, bucket: %q, prefix: little}\nspool_dir: %q\nadmin: {addr: %q}\n",
		a.ClickHouse.Native, a.ClickHouse.User, topic, a.S3.Endpoint, a.S3.Bucket, spool, compactorAt),
		[]string{"PENSTOCK_COMPACTOR_CLICKHOUSE__PASSWORD=" + a.ClickHouse.Password, "PENSTOCK_COMPACTOR_S3__ACCESS_KEY=" + a.S3.AccessKey, "PENSTOCK_COMPACTOR_S3__SECRET_KEY=" + a.S3.SecretKey},
		"run", "--every", "1s")
	if err := compactor.Await(limited, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+compactorAt+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %s (%w)", response.Status, err)
		}
		return nil
	}); err != nil {
		t.Fatalf("%v\n%s", err, bytesOf(t, log))
	}
	needs(compactor, compactorAt, log, spool)
}

// nobody is what a command begins with that runs it as a user who owns nothing,
// without any capability. Only root can become another.
func nobody(t *testing.T) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("not root: the programs run as who runs the test")
		return nil
	}
	path, err := exec.LookPath("setpriv")
	if err != nil {
		t.Log("no setpriv (util-linux): the programs run as root")
		return nil
	}
	return []string{path, "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs", "--"}
}
