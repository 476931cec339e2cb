package watcher

import (
	"errors"
	"fmt"
	"time"

	"penstock/ops/canary"
)

// Config says how a watcher looks. It is the section watch of ingest's settings. Start
// from [Default].
type Config struct {
	Canary canary.Config `koanf:",squash"`
	// Addr is host:port of the watcher's admin server, as admin.addr is a node's. The
	// default value is localhost:9468.
	Addr string `koanf:"addr"`
	// Every is the time between two looks at Kafka and at ClickHouse. Shorter: a lag or
	// an outage is known sooner. Longer: fewer requests: some five to Kafka and five
	// small queries a look and stream. The default value is 5s.
	Every time.Duration `koanf:"every"`
	// DayDue is how long after its end a day may be in ClickHouse alone; 0 if there is no
	// cold tier. The default value is 769h: the compactor's hot_days and grace as they
	// come, and two days more for whoever has to see to it.
	DayDue time.Duration `koanf:"day_due"`
}

// Default returns the defaults.
func Default() Config {
	return Config{Canary: canary.Default(), Addr: "localhost:9468", Every: 5 * time.Second, DayDue: 32*24*time.Hour + time.Hour}
}

// Validate reports every fault but of the address, which is one of ops.Config.
func (c Config) Validate() error {
	var errs []error
	if c.Every < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("watch.every is %v; want at least 100ms, and rather 5s", c.Every))
	}
	if c.DayDue < 0 {
		errs = append(errs, fmt.Errorf("watch.day_due is %v; want the compactor's hot days, its grace and some time to act, such as 769h, or 0s without a cold tier", c.DayDue))
	}
	return errors.Join(append(errs, c.Canary.Validate())...)
}
