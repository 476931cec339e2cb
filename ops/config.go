package ops

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"penstock/transport"
)

// Config is how a program lets itself be watched. Start from [Default].
type Config struct {
	// Addr is host:port of the admin server, with an empty host for all
	// addresses; empty for no server. The default value is localhost:9464. One that
	// others than this machine reach needs Token or TLS.ClientCAFile.
	Addr string `koanf:"addr"`
	// Token is a secret of who may ask: sent as a bearer token, or as the password
	// of any user, which is how a browser asks for it. By default there is none.
	Token transport.Secret `koanf:"token"`
	// TLS has the server's certificate. With a ClientCAFile who shows a certificate
	// that it vouches for may ask without the token. By default there is none: over
	// a network a token without TLS can be read by who can read the network.
	TLS transport.ServerTLS `koanf:"tls"`
	// Open are the paths that anybody may read who reaches the server. The default
	// is /healthz and /readyz, of orchestrators whose probes have no token; what
	// /readyz says of a failure names servers.
	Open []string `koanf:"open"`
	// Pprof serves Go's profiles at /debug/pprof/. Off by default: taking a
	// profile costs the node CPU.
	Pprof bool `koanf:"pprof"`
	// UnreadyAfter is how long inserts, commits or reads must have been
	// failing before the node calls itself not ready. Smaller: an orchestrator
	// that rolls out a broken version stops sooner. Larger: a restart of
	// ClickHouse is ridden out. The default value is 30 s.
	UnreadyAfter time.Duration `koanf:"unready_after"`
}

// Default returns the defaults.
func Default() Config {
	return Config{Addr: "localhost:9464", Open: []string{"/healthz", "/readyz"}, UnreadyAfter: 30 * time.Second}
}

// At returns the config of a server elsewhere, that is watched in the same way: of
// a program whose address is another setting.
func (c Config) At(addr string) Config {
	c.Addr = addr
	return c
}

// Validate reports every fault of the config, which is expected in the section
// admin but for its address, which is the setting of the name key.
func (c Config) Validate(key string) error {
	var errs []error
	if c.Addr != "" {
		if _, _, err := net.SplitHostPort(c.Addr); err != nil {
			errs = append(errs, fmt.Errorf("%s is %q; want host:port such as localhost:9464, :9464 for all addresses, or nothing for no admin server", key, c.Addr))
		} else if !isLoopback(c.Addr) && !c.Token.Given() && c.TLS.ClientCAFile == "" {
			errs = append(errs, fmt.Errorf("%s is %q, which others than this machine reach; set admin.token_file, or admin.tls with a client_ca_file, or an address such as localhost:9464", key, c.Addr))
		}
	}
	errs = append(errs, c.Token.Validate("admin.token"), c.TLS.Validate("admin.tls"))
	for _, path := range c.Open {
		if !strings.HasPrefix(path, "/") {
			errs = append(errs, fmt.Errorf("admin.open has %q; want paths such as /healthz", path))
		}
	}
	if c.UnreadyAfter <= 0 {
		errs = append(errs, fmt.Errorf("admin.unready_after is %v; want a positive duration such as 30s", c.UnreadyAfter))
	}
	return errors.Join(errs...)
}
