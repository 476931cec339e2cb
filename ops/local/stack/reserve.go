package stack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"penstock/ops/local/child"
)

// lockState takes a state folder for this process. The kernel gives it back
// when the process ends, however it ends.
func lockState(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the state folder: %w; choose another with --state", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("take the state folder: %w; choose another with --state", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, readErr := io.ReadAll(f)
		return nil, errors.Join(
			fmt.Errorf("state folder %s is in use by the stack of process %s; stop that one or choose another folder with --state",
				dir, strings.TrimSpace(string(holder))),
			readErr, f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take the state folder %s: %w", dir, err), f.Close())
	}
	return f.Close, nil // closing gives the lock up
}

// settle finds a port for each that is 0, and refuses one that was asked for
// and is taken. All faults are reported at once.
func (p *Ports) settle() error {
	taken := map[int]string{}
	var errs []error
	ports := []struct {
		flag string
		port *int
	}{
		{"--kafka-port", &p.Kafka},
		{"--clickhouse-port", &p.ClickHouseNative},
		{"--http-port", &p.ClickHouseHTTP},
		{"--s3-port", &p.S3},
	}
	for _, want := range ports {
		if *want.port == 0 {
			continue
		}
		if other, ok := taken[*want.port]; ok {
			errs = append(errs, fmt.Errorf("%s is %d, and so is %s; give each a port of its own", want.flag, *want.port, other))
			continue
		}
		taken[*want.port] = want.flag
		l, err := net.Listen("tcp", child.Loopback(*want.port))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s is %d: %w; choose another, or 0 for a free one", want.flag, *want.port, err))
			continue
		}
		errs = append(errs, l.Close())
	}
	for _, want := range ports {
		for *want.port == 0 {
			port, err := child.FreePort()
			if err != nil {
				return errors.Join(append(errs, err)...)
			}
			if _, ok := taken[port]; !ok {
				*want.port = port
				taken[port] = want.flag
			}
		}
	}
	return errors.Join(errs...)
}
