package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// download reads an object to its announced end, by as many requests as it
// takes. It never ends early without an error.
type download struct {
	store  *S3
	ctx    context.Context // of the whole download
	key    string
	object Object // as the first answer described it

	body io.ReadCloser // nil between two requests
	at   int64         // bytes read so far
	// fruitless counts the requests since the last byte that came.
	fruitless int
}

// begin asks for the rest of the object; all of it in the beginning.
func (d *download) begin() error {
	in := &s3.GetObjectInput{Bucket: &d.store.config.Bucket, Key: d.store.key(d.key)}
	if d.at > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", d.at))
	}
	if d.object.Tag != "" {
		in.IfMatch = &d.object.Tag
	}
	out, err := d.store.client.GetObject(d.ctx, in)
	if err != nil {
		if d.object.Tag != "" && status(err) == http.StatusPreconditionFailed {
			return fmt.Errorf("after %d of %d bytes: %w", d.at, d.object.Size, ErrChanged)
		}
		return err
	}
	switch {
	case out.ContentLength == nil:
		err = errors.New("the service does not say how long it is")
	case d.object.Tag == "":
		d.object = Object{Size: *out.ContentLength, Tag: aws.ToString(out.ETag), Sum: sumIn(out.Metadata)}
	case *out.ContentLength != d.object.Size-d.at:
		err = fmt.Errorf("asked for bytes %d to %d, the service sends %d", d.at, d.object.Size, *out.ContentLength)
	}
	if err != nil {
		return errors.Join(err, out.Body.Close())
	}
	d.body = out.Body
	return nil
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for d.at < d.object.Size {
		n, err := d.read(p)
		if n > 0 {
			d.at += int64(n)
			d.fruitless = 0
			return n, nil // err comes again with the next Read
		}
		d.fruitless++
		if d.ctx.Err() != nil {
			return 0, context.Cause(d.ctx)
		}
		if errors.Is(err, ErrChanged) || errors.Is(err, ErrNotFound) {
			return 0, err
		}
		if d.fruitless >= d.store.config.Attempts {
			return 0, fmt.Errorf("broke off after %d of %d bytes, %d requests: %w", d.at, d.object.Size, d.fruitless, err)
		}
		if err := d.store.pause(d.ctx, d.fruitless, err); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

// read reads from the open request, or opens one. After an error there is none.
func (d *download) read(p []byte) (int, error) {
	if d.body == nil {
		if err := d.begin(); err != nil {
			return 0, d.store.fail("get", d.key, err)
		}
	}
	n, err := d.body.Read(p[:min(int64(len(p)), d.object.Size-d.at)])
	if n > 0 {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	// What is wrong with the body is said; that it cannot be closed adds nothing.
	_ = d.Close()
	return 0, err
}

// Close implements io.Closer.
func (d *download) Close() error {
	if d.body == nil {
		return nil
	}
	body := d.body
	d.body = nil
	if d.at == d.object.Size {
		// Read to the end the connection can be used again; SDK and transport
		// look for what may follow.
		_, _ = io.Copy(io.Discard, body)
	}
	return body.Close()
}
