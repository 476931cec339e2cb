package canary

import (
	"errors"
	"fmt"
	"time"

	"penstock/ops/state"
)

// Config is how canaries are sent and looked for. It is part of the section watch.
// Start from [Default].
type Config struct {
	// Every is the time between two canaries, each to the next partition; 0 for none.
	// Shorter: an outage of seconds weighs in the figures what it weighs. Longer: fewer
	// rows that are nobody's. The default value is 1s: of 86,400 a day 86 may be late
	// where 99.9 % are to be in time, which is enough to tell.
	Every time.Duration `koanf:"canary_every"`
	// Limit is how long one may take until it counts as not visible. Longer: more is
	// known of what was late. Shorter: what is lost is told sooner. The default value
	// is 60s, longer than a takeover by another node.
	Limit time.Duration `koanf:"canary_limit"`
	// Device begins the names of the devices that canaries are of; the partition
	// follows, as in penstock-canary-3. No device of the fleet may be called so. The
	// default value is penstock-canary.
	Device string `koanf:"canary_device"`
}

// Default returns the defaults.
func Default() Config {
	return Config{Every: time.Second, Limit: time.Minute, Device: "penstock-canary"}
}

const (
	// promise is within which time an event is promised to be visible.
	promise = time.Duration(state.Promise * float64(time.Second))
	// leastEvery keeps canaries from being the load.
	leastEvery = 10 * time.Millisecond
	// waitingMost bounds those that are on their way.
	waitingMost = 10_000
)

// Validate reports every fault.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	every := c.Every == 0 || c.Every >= leastEvery
	check(every, "watch.canary_every is %v; want at least %v, and rather 1s, or 0s for no canaries", c.Every, leastEvery)
	check(c.Limit > promise, "watch.canary_limit is %v; want more than %v, in which an event is promised to be visible", c.Limit, promise)
	check(!every || c.Every == 0 || c.Limit/c.Every <= waitingMost, "watch.canary_limit is %v with canary_every %v, so that %d may be on their way at once; want at most %d",
		c.Limit, c.Every, c.Limit/max(1, c.Every), waitingMost)
	check(c.Device != "", "watch.canary_device is empty; want a name that no device has, such as penstock-canary")
	return errors.Join(errs...)
}
