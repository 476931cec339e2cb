package ops

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Config is how a program lets itself be watched. Start from [Default].
type Config struct {
	// Addr is host:port of the admin server, with an empty host for all
	// addresses; empty for no server. The default value is localhost:9464.
	//
	// Why not all addresses? What is served is not secret, but neither is it
	// authenticated, and profiling can be switched on. Where Prometheus is on
	// another machine, set it to :9464.
	Addr string `koanf:"addr"`
	// Pprof serves Go's profiles at /debug/pprof/. Off by default: taking a
	// profile costs the node CPU, and anyone who reaches the server can.
	Pprof bool `koanf:"pprof"`
	// UnreadyAfter is how long inserts, commits or reads must have been
	// failing before the node calls itself not ready. Smaller: an orchestrator
	// that rolls out a broken version stops sooner. Larger: a restart of
	// ClickHouse is ridden out. The default value is 30 s.
	UnreadyAfter time.Duration `koanf:"unready_after"`
}

// Default returns the defaults.
func Default() Config {
	return Config{Addr: "localhost:9464", UnreadyAfter: 30 * time.Second}
}

// Validate reports every fault of the config, which is expected in the section
// admin.
func (c Config) Validate() error {
	var errs []error
	if c.Addr != "" {
		if _, _, err := net.SplitHostPort(c.Addr); err != nil {
			errs = append(errs, fmt.Errorf("admin.addr is %q; want host:port such as localhost:9464, :9464 for all addresses, or nothing for no admin server", c.Addr))
		}
	}
	if c.UnreadyAfter <= 0 {
		errs = append(errs, fmt.Errorf("admin.unready_after is %v; want a positive duration such as 30s", c.UnreadyAfter))
	}
	return errors.Join(errs...)
}
