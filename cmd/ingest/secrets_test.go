package main

import (
	"testing"

	"penstock/ops/settings/settingstest"
)

func TestConfigShowsNoSecret(t *testing.T) {
	cfg := defaults()
	cfg.Streams.Begin = cfg.beginStream
	settingstest.Secrets(t, &cfg, "kafka.sasl.oauth.token_url", "streams.kafka.sasl.oauth.token_url")
}
