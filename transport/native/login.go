// Package native is how ClickHouse is reached by its native protocol, through both
// of the libraries that speak it: ch-go, which sends and reads columns, and
// clickhouse-go, which asks questions. A password and certificates that are in
// files are read with every connection.
package native

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/transport"
)

// Login is how a program gets into ClickHouse: settings of its section clickhouse.
type Login struct {
	// User is whom queries are made as. The default value is default, the server's
	// own.
	User string `koanf:"user"`
	// Password is the user's. The default is none.
	Password transport.Secret `koanf:"password"`
	// TLS has the default of none. With it the port is another one, as a rule 9440.
	TLS transport.TLS `koanf:"tls"`
	// DialTimeout bounds a connection attempt. The default value is 3 s.
	DialTimeout time.Duration `koanf:"dial_timeout"`
}

// Default returns the defaults.
func Default() Login { return Login{User: "default", DialTimeout: 3 * time.Second} }

// Validate reports every fault of the config, which is expected in the section
// clickhouse.
func (l Login) Validate() error {
	var errs []error
	if l.User == "" {
		errs = append(errs, errors.New("clickhouse.user is empty; the server's own is called default"))
	}
	if l.DialTimeout <= 0 {
		errs = append(errs, fmt.Errorf("clickhouse.dial_timeout is %v; want a positive duration such as 3s", l.DialTimeout))
	}
	return errors.Join(append(errs, l.Password.Validate("clickhouse.password"), l.TLS.Validate("clickhouse.tls"))...)
}

// Options are those of clickhouse-go for one server.
func (l Login) Options(addr, database string) *clickhouse.Options {
	return &clickhouse.Options{
		Addr:        []string{addr},
		Auth:        clickhouse.Auth{Database: database, Username: l.User},
		DialTimeout: l.DialTimeout,
		DialContext: func(ctx context.Context, addr string) (net.Conn, error) {
			return l.DialContext(ctx, "tcp", addr)
		},
		DialStrategy: func(ctx context.Context, id int, options *clickhouse.Options, dial clickhouse.Dial) (clickhouse.DialResult, error) {
			password, err := l.Password.Reveal()
			if err != nil {
				return clickhouse.DialResult{}, l.Explain(err)
			}
			with := *options
			with.Auth.Password = password
			conn, err := clickhouse.DefaultDialStrategy(ctx, id, &with, dial)
			return conn, l.Explain(err)
		},
	}
}

// Dial connects by ch-go, with options for everything but how to get in.
func (l Login) Dial(ctx context.Context, options ch.Options) (*ch.Client, error) {
	password, err := l.Password.Reveal()
	if err != nil {
		return nil, l.Explain(err)
	}
	options.User, options.Password = l.User, password
	options.Dialer, options.DialTimeout = l, l.DialTimeout
	client, err := ch.Dial(ctx, options)
	if err != nil {
		return nil, l.Explain(err)
	}
	return client, nil
}

// DialContext opens a connection, for either library.
func (l Login) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.DialTimeout, fmt.Errorf("no connection within clickhouse.dial_timeout, %v", l.DialTimeout))
	defer cancel()
	conn, err := l.TLS.DialContext(ctx, network, addr)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return conn, err
}

// turnedAway are the server's errors about who asks, and what mends them.
var turnedAway = map[proto.Error]string{
	proto.ErrAuthenticationFailed: "correct clickhouse.user and clickhouse.password",
	proto.ErrUnknownUser:          "correct clickhouse.user",
	proto.ErrWrongPassword:        "correct clickhouse.password",
	proto.ErrRequiredPassword:     "set clickhouse.password",
}

// Explain returns err as [transport.Refused], with what mends it, if program and
// server do not let each other in; any other error as it is. A file that cannot be
// read is such another: it may be about to be replaced.
func (l Login) Explain(err error) error {
	var (
		sending *ch.Exception
		asking  *clickhouse.Exception
		remedy  string
	)
	switch {
	case errors.As(err, &sending):
		remedy = turnedAway[sending.Code]
	case errors.As(err, &asking):
		remedy = turnedAway[proto.Error(asking.Code)]
	}
	if remedy != "" {
		return &transport.Refused{Err: fmt.Errorf("%w; %s", err, remedy), Renewable: l.Password.Renewable()}
	}
	return transport.Explain("clickhouse.tls", err)
}
