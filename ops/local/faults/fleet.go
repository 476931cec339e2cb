package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/child"
)

// fleet is the load of a round, and its proof. It looks past the proxies.
type fleet struct {
	process *child.Process
	report  string
}

// proofTime is what the proof itself may take, once everything has arrived.
const proofTime = 2 * time.Minute

// startFleet starts to send, until finish.
func (r *round) startFleet() (*fleet, error) {
	a := r.stack.Addresses()
	f := &fleet{report: filepath.Join(r.dir, "fleet.json")}
	share := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	var err error
	f.process, err = child.Start(child.Spec{
		Name: "loadtest",
		Args: []string{r.cfg.LoadTest, "run",
			"--brokers", a.Kafka.Brokers[0], "--topic", r.names.topic, "--dlq-topic", r.names.deadLetters,
			"--clickhouse", a.ClickHouse.Native, "--user", a.ClickHouse.User, "--database", r.names.database,
			"--hot-table", hotTable, "--table", allView,
			"--run", fmt.Sprintf("r%02d", r.Number), "--seed", strconv.FormatUint(r.Seed, 10),
			"--rate", share(r.cfg.Rate), "--devices", strconv.Itoa(r.cfg.Devices),
			"--resend", share(resendShare), "--late", share(lateShare), "--malformed", share(malformedShare),
			"--verify-timeout", r.cfg.DrainTimeout.String(), "--progress-every", "5s",
			"--json", f.report, "--state", filepath.Join(r.dir, "sent.json")},
		Env:         []string{"PENSTOCK_LOADTEST_PASSWORD=" + a.ClickHouse.Password},
		Log:         filepath.Join(r.dir, "fleet.log"),
		StopTimeout: r.cfg.DrainTimeout + proofTime,
	})
	return f, err
}

// finish ends the sending and waits for the proof.
func (f *fleet) finish() (result loadtest.Result, err error) {
	if err := errors.Join(f.process.Err(), f.process.Stop()); err != nil {
		return result, err
	}
	text, err := os.ReadFile(f.report)
	if err != nil {
		return result, fmt.Errorf("loadtest left no report: %w", err)
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return result, fmt.Errorf("%s: %w", f.report, err)
	}
	return result, nil
}

// abort ends it without a proof. It does nothing to one that has finished.
func (f *fleet) abort() error { return f.process.Kill() }
