package main

import (
	"testing"

	"penstock/ops/settings/settingstest"
)

func TestConfigShowsNoSecret(t *testing.T) {
	cfg := defaults()
	cfg.Tables.Begin = func(string) tableConfig { return cfg.Own }
	settingstest.Secrets(t, &cfg)
}
