package child

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports handed out lie below 32768, where Linux begins to take the local ports
// of outgoing connections: a port from there could be gone between the probe
// and the child's bind, and again whenever the child is restarted.
const (
	lowestPort  = 18000
	highestPort = 32000
)

// FreePort finds a TCP port of the loopback interface nobody listens on. It is
// not reserved: a child that loses it to another says so in its log.
func FreePort() (int, error) {
	var last error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			last = err
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("probe port %d: %w", port, err)
		}
		return port, nil
	}
	return 0, fmt.Errorf("no free port in %d..%d after 100 tries: %w", lowestPort, highestPort, last)
}

// Loopback is the address of a port of this machine.
func Loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
