package state

import (
	"fmt"
	"net"
	"os"
)

// Name is what a program calls itself: its host and the port of its admin server, by
// which people know where to look. Without a port that is settled it is the process.
func Name(adminAddr string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost" // of no importance but to people
	}
	if _, port, err := net.SplitHostPort(adminAddr); err == nil && port != "0" {
		return net.JoinHostPort(host, port)
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}
