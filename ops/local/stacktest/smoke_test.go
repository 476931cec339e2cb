package stacktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"penstock/ops/local/fetch"
	"penstock/ops/local/kafka"
	"penstock/ops/local/scenario"
	"penstock/schema"
)

// TestSmoke is "local smoke" in small: the product's own programs on kfake,
// undisturbed and with each fault. The promise of five seconds is not held
// against it with a fault, and neither are duplicates after a kill -9.
func TestSmoke(t *testing.T) {
	f := func(name string, change func(*scenario.SmokeConfig)) {
		t.Run(name, func(t *testing.T) {
			cfg := scenario.SmokeConfig{Config: scenario.Config{
				Stack: config(t, kafka.KFake),
				Bin:   products(t),
				Fleet: scenario.Fleet{Rate: 2000, Duration: 6 * time.Second, Devices: 500, Resend: 0.02, Late: 0.05, Malformed: 0.01},
			}}
			change(&cfg)
			progress, err := os.Create(filepath.Join(t.TempDir(), "progress"))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Progress = progress
			result, err := scenario.Smoke(t.Context(), cfg)
			if closeErr := progress.Close(); closeErr != nil {
				t.Error(closeErr)
			}
			t.Logf("%+v", result)
			if err != nil {
				said, readErr := os.ReadFile(progress.Name())
				t.Errorf("%v\n%s (%v)", err, said, readErr)
			}
		})
	}
	f("undisturbed", func(*scenario.SmokeConfig) {})
	f("kill -9 of ingest, of a topic of protobuf", func(c *scenario.SmokeConfig) {
		c.Fleet.Encoding, c.KillIngestAfter = schema.Protobuf, 3*time.Second
	})
	f("kill -9 of ingest", func(c *scenario.SmokeConfig) { c.KillIngestAfter = 3 * time.Second })
	f("kill -9 of ClickHouse", func(c *scenario.SmokeConfig) { c.KillClickHouseAfter = 3 * time.Second })
	f("ClickHouse away", func(c *scenario.SmokeConfig) {
		c.ClickHouseDownAfter, c.ClickHouseDownFor = 2*time.Second, 5*time.Second
	})
}

// TestRun leaves the product running until it has shown how soon readings are
// visible, ends it by ^C, and goes on with its data once more.
func TestRun(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	for range 2 {
		shown, err := os.Create(filepath.Join(t.TempDir(), "shown"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(local(t), "run", "--kafka", "kfake", "--bin", products(t), "--state", state, "--rate", "500")
		cmd.Stdout, cmd.Stderr = shown, shown
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var text []byte
		eventually(t, "line with a latency", func() error {
			if text, err = os.ReadFile(shown.Name()); err != nil {
				return err
			}
			if !bytes.Contains(text, []byte("visible p50")) {
				return fmt.Errorf("there is only:\n%s", text)
			}
			return nil
		})
		if page := compactorPage(t, text); !regexp.MustCompile(`(?m)^penstock_compactor_lease_fence\{table="telemetry"\} [1-9]`).MatchString(page) {
			t.Errorf("the compactor's page shows no lease taken:\n%s", page)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(cmd.Wait(), shown.Close()); err != nil {
			t.Errorf("^C ended it with %v:\n%s", err, text)
		}
	}
}

// compactorPage is what the compactor's admin page, whose address is in the
// text, has for Prometheus.
func compactorPage(t *testing.T, text []byte) string {
	t.Helper()
	at := regexp.MustCompile(`compactor +(http://\S+/metrics)`).FindSubmatch(text)
	if at == nil {
		t.Fatalf("no address of the compactor's page in:\n%s", text)
	}
	response, err := http.Get(string(at[1]))
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// product builds the product's programs for the first test that needs them.
var product = sync.OnceValues(func() (dir string, err error) {
	root, ok := fetch.Repository()
	if !ok {
		return "", errors.New("this test does not run in the repository, where the product is")
	}
	dir = filepath.Join(programs, "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, errors.Join(
		goBuild(root, dir+string(filepath.Separator), "./cmd/ingest", "./cmd/compactor", "./loadtest/cmd/loadtest"),
		goBuild(filepath.Join(root, "tiering", "iceberg"), dir+string(filepath.Separator), "./cmd/iceberg-register"))
})

// products is the folder of the product's programs.
func products(t *testing.T) string {
	t.Helper()
	dir, err := product()
	if err != nil {
		t.Fatalf("build the product: %v", err)
	}
	return dir
}

// goBuild builds packages of the module in dir.
func goBuild(dir, to string, packages ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-o", to}, packages...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, said)
	}
	return nil
}
