package scenarios

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/loadtest"
)

// TestScenarios: every file that is checked in is one, lasts no longer than
// people wait for, says what is tried, and has something to compare.
func TestScenarios(t *testing.T) {
	want := []string{"backlog", "clickhouse-slow", "clickhouse-stop", "late-burst", "new-firmware", "node-loss", "poison", "ramp", "spike", "steady", "whale"}
	if got := Names(); !slices.Equal(got, want) {
		t.Errorf("there are %v, want %v", got, want)
	}
	for _, name := range Names() {
		s, err := Load(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Lasts() > 90*time.Second || len(s.Compare) == 0 || len(s.SLOs) < 3 || !strings.Contains(s.About, ". ") {
			t.Errorf("%s lasts %v, has %d objectives and compares %d figures; about: %s", name, s.Lasts(), len(s.SLOs), len(s.Compare), s.About)
		}
		c := loadtest.DefaultConfig()
		c.Brokers, c.ClickHouse.Addr = []string{"127.0.0.1:9092"}, "127.0.0.1:9000"
		if err := s.Load(c).Validate(); err != nil {
			t.Errorf("%s is no load: %v", name, err)
		}
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("about: Mine. All of it.\nphases: [{name: all, for: 1s, rate: 10}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(path); err != nil || s.Name != "mine" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Load("stedy"); err == nil || !strings.Contains(err.Error(), `"stedy" is none; there are backlog, `) {
		t.Errorf("a name that is none: %v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a file that is not there was loaded")
	}
}
