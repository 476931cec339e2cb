package main

import (
	"io"
	"strings"
	"testing"

	"penstock/ops/reference"
	"penstock/ops/runbooks"
	"penstock/ops/settings"
)

// TestRunbooksKnowTheCommands: what a runbook has typed of this program is a
// command with those flags, and a setting that it names is one.
func TestRunbooksKnowTheCommands(t *testing.T) {
	steps, err := reference.AllSteps()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, s := range steps {
		words := s.Args()
		if s.Language != "sh" || words[0] != "compactor" {
			continue
		}
		tried++
		cmd, args, err := command(io.Discard).Find(words[1:])
		if err == nil && !cmd.Runnable() {
			t.Errorf("%s: %q runs no command", s.Runbook, s.Text)
			continue
		}
		if err == nil {
			err = cmd.ParseFlags(args)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("%s: %q: %v", s.Runbook, s.Text, err)
		}
		set, _ := cmd.Flags().GetStringArray("set")
		for _, setting := range set {
			key, _, _ := strings.Cut(setting, "=")
			if !isSetting(key) {
				t.Errorf("%s: %q: there is no setting %s", s.Runbook, s.Text, key)
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d commands were tried", tried)
	}
}

// TestRunbooksKnowTheSettings: a setting of S3 that a text names is one.
func TestRunbooksKnowTheSettings(t *testing.T) {
	for _, r := range runbooks.All() {
		for _, key := range reference.Settings(r) {
			if section, _, _ := strings.Cut(key, "."); section == "s3" && !isSetting(key) {
				t.Errorf("%s: there is no setting %s", r.ID, key)
			}
		}
	}
}

// isSetting reports whether a config may have the key; whatever its value.
func isSetting(key string) bool {
	cfg := defaults()
	cfg.Tables.Begin = func(string) tableConfig { return cfg.Own }
	err := settings.Load(&cfg, settings.Sources{Set: []string{key + "=?"}})
	return err == nil || !strings.Contains(err.Error(), key+" is not a setting")
}
