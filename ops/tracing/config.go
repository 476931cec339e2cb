// Package tracing tells a collector of traces, by OpenTelemetry, where the time of
// a batch went and of a day's steps to the cold tier.
//
// A batch is a span with its way as spans below it, and its inserts below the last
// of those; it is linked to the traces that its records belong to, as far as who
// sent them put a sampled traceparent (W3C) into their headers. Why links and not
// parents? A batch has thousands of records, of as many traces.
//
// Spans are made of what the watched tells afterwards, with its times: nothing of
// this is on a batch's way.
package tracing

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"penstock/transport"
)

// Config says which spans go where. Start from [Default].
type Config struct {
	// Endpoint is the URL of a collector that takes OTLP by HTTP, such as
	// http://localhost:4318; without a path that of the protocol, /v1/traces, is
	// meant. By default there is none, and nothing is traced.
	Endpoint string `koanf:"endpoint"`
	// Token is sent to it as a bearer token. By default there is none.
	Token transport.Secret `koanf:"token"`
	// Ratio is the share of batches that are traced, beside those that records of
	// sampled traces are in, which all are. Larger: more to look at, and more spans
	// to pay for: a node seals some five batches a second, of about seven spans
	// each. The default value is 0.01. A compactor traces all of its few steps.
	Ratio float64 `koanf:"ratio"`
}

// Default returns the defaults.
func Default() Config { return Config{Ratio: 0.01} }

// url is the endpoint with its path. The config must be valid.
func (c Config) url() string {
	u, err := url.Parse(c.Endpoint)
	if err != nil || strings.Trim(u.Path, "/") != "" {
		return c.Endpoint
	}
	return u.JoinPath("v1", "traces").String()
}

// Validate reports every fault of the config, which is expected in the section
// traces.
func (c Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.Endpoint); c.Endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		errs = append(errs, fmt.Errorf("traces.endpoint is %q; want the URL of a collector such as http://localhost:4318, or nothing", c.Endpoint))
	}
	if !(c.Ratio >= 0 && c.Ratio <= 1) {
		errs = append(errs, fmt.Errorf("traces.ratio is %v; want a share from 0 to 1", c.Ratio))
	}
	return errors.Join(append(errs, c.Token.Validate("traces.token"))...)
}
