package stackbench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/child"
)

// fleet sends the load of a phase, and proves in the end what came of it.
type fleet struct {
	*child.Process
	began  time.Time
	report string
}

// arrivalTimeout is how long after the last record its arrival may take. A
// backlog that is not worked off in it is one that never will be. The proof
// itself takes its time after that.
const (
	arrivalTimeout = 5 * time.Minute
	proofTime      = 5 * time.Minute
)

// liveInterval is what the fleet tells visibility apart by.
const liveInterval = 2 * time.Second

// startFleet starts to send, until finish if the load has no end.
func (r *rig) startFleet(phase Phase, l Load) (*fleet, error) {
	a, share := r.stack.Addresses(), func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	f := &fleet{began: time.Now(), report: filepath.Join(a.State, string(phase)+".json")}
	args := []string{r.program("loadtest"), "run",
		"--brokers", a.Kafka.Brokers[0], "--topic", topic, "--dlq-topic", deadLetters,
		"--clickhouse", a.ClickHouse.Native, "--user", a.ClickHouse.User, "--database", a.ClickHouse.Database,
		"--hot-table", hotTable, "--table", allView,
		"--run", strings.ReplaceAll(string(phase), "-", ""),
		"--rate", strconv.Itoa(l.Rate), "--duration", l.Hold.String(), "--devices", strconv.Itoa(r.cfg.Devices),
		"--resend", share(r.cfg.Shares.Resend), "--late", share(r.cfg.Shares.Late), "--malformed", share(r.cfg.Shares.Malformed),
		"--verify-timeout", arrivalTimeout.String(), "--progress-every", "1s", "--intervals", liveInterval.String(),
		"--json", f.report}
	var err error
	f.Process, err = child.Start(child.Spec{
		Name: "loadtest", Args: args,
		Env:         []string{"PENSTOCK_LOADTEST_PASSWORD=" + a.ClickHouse.Password},
		Log:         r.log("fleet-" + string(phase)),
		StopTimeout: arrivalTimeout + proofTime,
	})
	return f, err
}

// result waits for the end of the load and its proof. What that found wrong is in
// the report and no error here; that there is no proof is.
func (f *fleet) result(ctx context.Context) (loadtest.Result, error) {
	exit := f.Wait(ctx)
	if ctx.Err() != nil {
		return loadtest.Result{}, exit
	}
	result, err := f.read()
	if err != nil {
		err = errors.Join(exit, err)
	}
	return result, err
}

// finish ends the sending and waits for the proof, as result does.
func (f *fleet) finish() (loadtest.Result, error) {
	if err := errors.Join(f.Err(), f.Stop()); err != nil {
		return loadtest.Result{}, err
	}
	return f.read()
}

func (f *fleet) read() (result loadtest.Result, err error) {
	text, err := os.ReadFile(f.report)
	if err != nil {
		return result, fmt.Errorf("loadtest left no report: %w", err)
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return result, fmt.Errorf("%s: %w", f.report, err)
	}
	if !result.Verified {
		return result, fmt.Errorf("%s: loadtest has verified nothing", f.report)
	}
	return result, nil
}
