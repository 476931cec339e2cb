package procfs

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The tables of a process's sockets: of UDP, one that is not connected takes what
// anybody sends.
var tables = []struct{ name, state string }{{"tcp", listen}, {"tcp6", listen}, {"udp", unconnected}, {"udp6", unconnected}}

// States of sockets, as net/tcp_states.h numbers them.
const (
	listen      = "0A"
	unconnected = "07"
)

// Listening returns the addresses, sorted, at which a process takes what others
// send: host:port of TCP and UDP.
func Listening(pid int) ([]string, error) {
	own := map[string]bool{}
	err := descriptors(pid, func(_, target string) error {
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, table := range tables {
		file, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		} else if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			addr, inode, open, parseErr := parseSocket(lines.Text(), table.state)
			if err = errors.Join(err, parseErr); open && own[inode] {
				all = append(all, addr)
			}
		}
		if err = errors.Join(err, lines.Err(), file.Close()); err != nil {
			return nil, fmt.Errorf("sockets of process %d: %w", pid, err)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// parseSocket reads a line of a table of sockets. Its state says whether the socket
// is open to others.
func parseSocket(line, state string) (addr, inode string, open bool, err error) {
	fields := strings.Fields(line)
	const local, remote, st, ino = 1, 2, 3, 9
	if len(fields) <= ino || fields[0] == "sl" { // the heading
		return "", "", false, nil
	}
	host, port, _ := strings.Cut(fields[local], ":")
	raw, errHost := hex.DecodeString(host)
	n, errPort := strconv.ParseUint(port, 16, 16)
	if err := errors.Join(errHost, errPort); err != nil || len(raw)%4 != 0 {
		return "", "", false, fmt.Errorf("an address %q: %w", fields[local], err)
	}
	for i := 0; i < len(raw); i += 4 { // in the machine's words
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	if !ok {
		return "", "", false, fmt.Errorf("an address %q of %d bytes", fields[local], len(raw))
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)).String(), fields[ino], fields[st] == state, nil
}

// Writing returns the files, sorted, that a process has open for writing.
func Writing(pid int) ([]string, error) {
	var all []string
	err := descriptors(pid, func(fd, target string) error {
		if !filepath.IsAbs(target) || strings.HasPrefix(target, "/dev/") {
			return nil // a socket, a pipe, or no file
		}
		info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // closed meanwhile
		} else if err != nil {
			return err
		}
		for line := range strings.Lines(string(info)) {
			rest, ok := strings.CutPrefix(line, "flags:")
			if !ok {
				continue
			}
			flags, err := strconv.ParseInt(strings.TrimSpace(rest), 8, 64)
			if err != nil {
				return fmt.Errorf("flags of %s: %w", target, err)
			}
			if flags&int64(os.O_WRONLY|os.O_RDWR) != 0 {
				all = append(all, target)
			}
		}
		return nil
	})
	slices.Sort(all)
	return slices.Compact(all), err
}

// CommandLine is how a process was started, as everybody on the machine can read it.
func CommandLine(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), err
}

// descriptors visits what a process has open.
func descriptors(pid int, visit func(fd, target string) error) error {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // closed meanwhile
		}
		if err == nil {
			err = visit(e.Name(), target)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
