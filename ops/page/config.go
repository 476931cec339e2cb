package page

import (
	"errors"
	"fmt"
	"net"
)

// Config is of whom the page tells beside the program that serves it.
type Config struct {
	// Peers are the programs that are shown too, each as host:port of its
	// admin.addr. A host that has several addresses, as a headless service of
	// Kubernetes has, stands for a program at each. The default is none: a page of
	// one program asks nobody.
	Peers []string `koanf:"peers"`
}

// Validate reports every fault of the config, which is expected in the section
// page.
func (c Config) Validate() error {
	var errs []error
	for _, p := range c.Peers {
		if host, port, err := net.SplitHostPort(p); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("page.peers has %q; want host:port of a program's admin.addr, such as ingest-headless:9464", p))
		}
	}
	return errors.Join(errs...)
}
