package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"penstock/ops/reference"
	"penstock/ops/settings"
)

// TestRunbooksKnowTheCommands: what a runbook has typed of this program is a
// command with those flags, and a setting that it names is one.
func TestRunbooksKnowTheCommands(t *testing.T) {
	tried, faults := reference.Typed(func() *cobra.Command { return command(io.Discard) }, isSetting)
	for _, fault := range faults {
		t.Error(fault)
	}
	if tried < 10 {
		t.Errorf("only %d commands were tried", tried)
	}
}

// TestRunbooksKnowTheSettings: a setting of S3 that a text names is one.
func TestRunbooksKnowTheSettings(t *testing.T) {
	_, faults := reference.NamedSettings(func(section string) bool { return section == "s3" }, isSetting)
	for _, fault := range faults {
		t.Error(fault)
	}
}

// isSetting reports whether a config may have the key; whatever its value.
func isSetting(key string) bool {
	cfg := defaults()
	cfg.Tables.Begin = func(string) tableConfig { return cfg.Own }
	err := settings.Load(&cfg, settings.Sources{Set: []string{key + "=?"}})
	return err == nil || !strings.Contains(err.Error(), key+" is not a setting")
}
