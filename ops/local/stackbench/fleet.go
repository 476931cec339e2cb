package stackbench

import (
	"context"
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

// fleet sends the load of a phase, and proves in the end what came of it.
type fleet struct {
	*child.Process
	began  time.Time
	report string
}

// arrivalTimeout is how long after the last record its arrival may take. A
// backlog that is not worked off in it is one that never will be.
const arrivalTimeout = 5 * time.Minute

// startFleet starts to send.
func (r *rig) startFleet(phase Phase, l Load) (*fleet, error) {
	a, share := r.stack.Addresses(), func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	f := &fleet{began: time.Now(), report: filepath.Join(a.State, string(phase)+".json")}
	args := []string{r.program("loadtest"), "run",
		"--brokers", a.Kafka.Brokers[0], "--topic", topic, "--dlq-topic", deadLetters,
		"--clickhouse", a.ClickHouse.Native, "--user", a.ClickHouse.User, "--database", a.ClickHouse.Database,
		"--hot-table", hotTable, "--table", allView,
		"--run", string(phase),
		"--rate", strconv.Itoa(l.Rate), "--duration", l.Hold.String(), "--devices", strconv.Itoa(r.cfg.Devices),
		"--resend", share(r.cfg.Shares.Resend), "--late", share(r.cfg.Shares.Late), "--malformed", share(r.cfg.Shares.Malformed),
		"--verify-timeout", arrivalTimeout.String(), "--progress-every", "1s",
		"--json", f.report}
	var err error
	f.Process, err = child.Start(child.Spec{
		Name: "loadtest", Args: args,
		Env: []string{"PENSTOCK_LOADTEST_PASSWORD=" + a.ClickHouse.Password},
		Log: r.log("fleet-" + string(phase)),
	})
	return f, err
}

// result waits for the proof. What it found wrong is in the report and no error
// here; that there is no proof is.
func (f *fleet) result(ctx context.Context) (loadtest.Result, error) {
	var result loadtest.Result
	exit := f.Wait(ctx)
	text, err := os.ReadFile(f.report)
	if err != nil {
		return result, errors.Join(exit, fmt.Errorf("loadtest left no report: %w", err))
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return result, fmt.Errorf("%s: %w", f.report, err)
	}
	if !result.Verified {
		return result, errors.Join(exit, fmt.Errorf("%s: loadtest has verified nothing", f.report))
	}
	return result, nil
}
