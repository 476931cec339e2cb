package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// errStalled is that an answer stopped coming in its middle. It is a timeout:
// the request is repeated.
type errStalled struct{ patience time.Duration }

func (e errStalled) Error() string {
	return fmt.Sprintf("nothing of the answer came for %v", e.patience)
}
func (errStalled) Timeout() bool { return true }

// patient is an HTTP client whose answers come, or fail. The transport's own
// bound ends with an answer's first line.
//
// A deadline for every read of the connection would not do: while a long body
// is sent the transport reads already, and nothing comes until it is all sent.
type patient struct {
	client   s3.HTTPClient
	patience time.Duration
}

func (p patient) Do(r *http.Request) (*http.Response, error) {
	ctx, end := context.WithCancelCause(r.Context())
	answer, err := p.client.Do(r.WithContext(ctx))
	if err != nil {
		end(nil)
		return answer, err
	}
	body := &patientBody{ReadCloser: answer.Body, patience: p.patience, ctx: ctx, end: end}
	body.timer = time.AfterFunc(p.patience, func() { end(errStalled{p.patience}) })
	body.timer.Stop()
	answer.Body = body
	return answer, nil
}

// patientBody ends its request when a Read takes too long. What its reader does
// between two of them may take any time.
type patientBody struct {
	io.ReadCloser
	patience time.Duration
	timer    *time.Timer     // runs during a Read only
	ctx      context.Context // the request's
	end      context.CancelCauseFunc
}

func (b *patientBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.patience)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	var stalled errStalled
	if err != nil && errors.As(context.Cause(b.ctx), &stalled) {
		err = stalled
	}
	return n, err
}

func (b *patientBody) Close() error {
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

// dialer makes connections.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// stalling makes connections whose writes fail when nothing of them is taken
// for so long. The wait for an answer begins only when a request is sent.
func (dial dialer) stalling(patience time.Duration) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &stallingConn{Conn: conn, patience: patience}, nil
	}
}

type stallingConn struct {
	net.Conn
	patience time.Duration
}

func (c *stallingConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
