package main

import (
	"testing"

	"penstock/ops/settings/settingstest"
)

func TestConfigShowsNoSecret(t *testing.T) {
	settingstest.Secrets(t, &config{})
}
