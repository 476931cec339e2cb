// Package clickhouse is a ClickHouse server made of the engine in libchdb.
//
// It puts ClickHouse's own two interfaces, native TCP and HTTP, in front of
// the engine, so that what is tested on one machine takes the path production
// takes. It is not a cluster: one process owns one data folder.
package clickhouse

import (
	"context"
	"errors"
	"net"
)

// Config is where the engine is, where it keeps its data and where it listens.
type Config struct {
	// Lib is the path of libchdb.so.
	Lib string
	// Path is the data folder; it is created if missing. Only one process may
	// own it at a time.
	Path string
	// TCP and HTTP are the addresses the two interfaces listen on; port 0
	// takes a free one, and ready is told which.
	TCP, HTTP string
	// User and Password are the one account there is.
	User, Password string
	// Scratch holds the bodies of inserts while the engine reads them. Empty
	// means /dev/shm where there is one, else the system's temporary folder.
	Scratch string
}

// Serve opens the engine, listens, calls ready with the bound addresses and
// serves until ctx ends; then it lets running statements finish or cancels
// them, and closes the engine. It returns nil after an orderly stop.
//
// A process can serve once: libchdb keeps one engine in a process's globals.
func Serve(ctx context.Context, cfg Config, ready func(tcp, http net.Addr)) error {
	return errors.New("clickhouse: not built yet")
}
