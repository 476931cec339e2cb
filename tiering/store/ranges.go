package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// GetRange implements [Store].
func (s *S3) GetRange(ctx context.Context, key string, from, to int64) (body []byte, err error) {
	for failed := 1; ; failed++ {
		out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &s.config.Bucket, Key: s.key(key), Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1)),
		})
		if err != nil {
			return nil, s.fail("get", key, err)
		}
		if sent := aws.ToInt64(out.ContentLength); sent != to-from {
			return nil, errors.Join(s.fail("get", key, fmt.Errorf("asked for bytes %d to %d, the service sends %d", from, to, sent)), out.Body.Close())
		}
		body = make([]byte, to-from)
		_, err = io.ReadFull(out.Body, body)
		if err = errors.Join(err, out.Body.Close()); err == nil {
			return body, nil
		}
		// The client repeats requests, but not what breaks off in an answer.
		if failed < s.config.Attempts {
			err = s.pause(ctx, failed, err)
		}
		if err != nil {
			return nil, s.fail(fmt.Sprintf("get bytes %d to %d of", from, to), key, err)
		}
	}
}

// GetRange implements [Store].
func (m *Memory) GetRange(_ context.Context, key string, from, to int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return nil, fmt.Errorf("get %s: %w", key, ErrNotFound)
	}
	if size := int64(len(o.body)); from < 0 || to > size {
		return nil, fmt.Errorf("get bytes %d to %d of %s: it has %d", from, to, key, size)
	}
	return o.body[from:to:to], nil
}

// readAhead is how much is asked for at least. A Parquet footer and the filters
// of its row groups lie close together, and a request costs more than to read
// that much.
const readAhead = 64 << 10

// ReaderAt reads an object in parts. It is used by one goroutine at a time.
type ReaderAt struct {
	ctx     context.Context // of all reads; an io.ReaderAt is given none
	objects Store
	key     string
	size    int64

	from int64 // of what was read last
	last []byte
	// Bytes is how many were asked of the store.
	Bytes int64
}

// NewReaderAt returns a reader of an object of this size.
func NewReaderAt(ctx context.Context, objects Store, key string, size int64) *ReaderAt {
	return &ReaderAt{ctx: ctx, objects: objects, key: key, size: size}
}

// ReadAt implements io.ReaderAt.
func (r *ReaderAt) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at >= r.size {
		return 0, io.EOF
	}
	end := min(at+int64(len(p)), r.size)
	if at < r.from || end > r.from+int64(len(r.last)) {
		// From the end backwards: that is how a footer is read.
		from := max(0, min(at, r.size-readAhead))
		to := min(r.size, max(end, from+readAhead))
		part, err := r.objects.GetRange(r.ctx, r.key, from, to)
		if err != nil {
			return 0, err
		}
		r.from, r.last = from, part
		r.Bytes += to - from
	}
	n := copy(p, r.last[at-r.from:end-r.from])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
