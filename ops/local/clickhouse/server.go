// Package clickhouse is a ClickHouse server made of the engine in libchdb.
//
// It puts ClickHouse's own two interfaces, native TCP and HTTP, in front of
// the engine, so that what is tested on one machine takes the path production
// takes. It is not a cluster: one process owns one data folder.
//
//	native, web   the two interfaces
//	session       accounts, settings, query ids, cancelling
//	statement     as much SQL as they must understand
//	block         rows, on their way between the two sides
//	discard       rows counted instead of stored
//	engine        libchdb
package clickhouse

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sync/errgroup"

	"penstock/ops/local/clickhouse/discard"
	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/native"
	"penstock/ops/local/clickhouse/session"
	"penstock/ops/local/clickhouse/web"
	"penstock/transport"
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
	// TCPSecure and HTTPSecure are where the two interfaces are served by TLS
	// beside that, if Certificates are given.
	TCPSecure, HTTPSecure string
	Certificates          transport.ServerTLS
	// User and Password are the one account there is. An empty User is default.
	User, Password string
	// Memory bounds what statements and merges may hold, in bytes; beyond it
	// they fail with MEMORY_LIMIT_EXCEEDED, as on a production server. Zero
	// means 4 GiB: enough for a day's export, and room for Kafka beside it.
	Memory int64
	// Grants are the GRANT statements, without TO, that say what the account may
	// do; nil: everything.
	Grants []string
	// DiscardInserts counts the rows that come over the native protocol instead
	// of storing them; see package discard.
	DiscardInserts bool
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	for name, value := range map[string]string{"Lib": c.Lib, "Path": c.Path, "TCP": c.TCP, "HTTP": c.HTTP} {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is empty; it must be set", name))
		}
	}
	if c.Certificates.Enabled() && (c.TCPSecure == "" || c.HTTPSecure == "") {
		errs = append(errs, errors.New("TCPSecure or HTTPSecure is empty; with Certificates both must be set"))
	}
	return errors.Join(append(errs, c.Certificates.Validate("Certificates"))...)
}

// Serve opens the engine, listens, calls ready with the bound addresses and
// serves until ctx ends; then it lets inserts that have all their rows finish,
// cancels every other statement, and closes the engine. It returns nil after
// an orderly stop.
//
// A process can serve once: libchdb keeps one engine in a process's globals.
func Serve(ctx context.Context, cfg Config, ready func(tcp, http net.Addr)) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	if cfg.User == "" {
		cfg.User = "default"
	}
	e, err := engine.Open(engine.Config{Lib: cfg.Lib, Path: cfg.Path, Memory: cmp.Or(cfg.Memory, 4<<30), Grants: cfg.Grants})
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	defer e.Close()
	sessions, err := session.NewServer(e, cfg.User, cfg.Password)
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	defer sessions.Close()
	tcp, http, err := cfg.listen()
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	var discarded *discard.Counts
	if cfg.DiscardInserts {
		discarded = discard.NewCounts()
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range tcp {
		g.Go(func() error { return native.NewServer(sessions, discarded).Serve(ctx, l) })
	}
	for _, l := range http {
		g.Go(func() error { return web.NewServer(sessions, discarded).Serve(ctx, l) })
	}
	ready(tcp[0].Addr(), http[0].Addr())
	return g.Wait()
}

// listen opens the listeners of each interface, the plain one first.
func (c Config) listen() (tcp, http []net.Listener, err error) {
	secured, err := c.Certificates.ServerConfig(tls.RequireAndVerifyClientCert)
	if err != nil {
		return nil, nil, err
	}
	for _, at := range []struct {
		all         *[]net.Listener
		name, addr  string
		certificate *tls.Config
	}{
		{&tcp, "the native protocol", c.TCP, nil}, {&http, "HTTP", c.HTTP, nil},
		{&tcp, "the native protocol by TLS", c.TCPSecure, secured}, {&http, "HTTPS", c.HTTPSecure, secured},
	} {
		if at.addr == "" {
			continue
		}
		l, err := net.Listen("tcp", at.addr)
		if err != nil {
			err = fmt.Errorf("listen for %s: %w", at.name, err)
			for _, open := range slices.Concat(tcp, http) {
				err = errors.Join(err, open.Close())
			}
			return nil, nil, err
		}
		if at.certificate != nil {
			l = tls.NewListener(l, at.certificate)
		}
		*at.all = append(*at.all, l)
	}
	return tcp, http, nil
}
