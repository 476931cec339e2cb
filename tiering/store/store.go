// Package store is the object store as the cold tier needs it: objects that
// are created once and never change, and one, the lease, that changes only
// from a known state.
//
// [S3] is the store of production, [Memory] the one of tests; one suite runs
// over both. What every implementation promises is said on [Store].
package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Errors a store answers with, wrapped with the key.
var (
	ErrNotFound = errors.New("object does not exist")
	ErrExists   = errors.New("object exists already")
	ErrChanged  = errors.New("object was changed by another")
)

// Store keeps objects by key. Every operation is atomic and visible to the
// next one, whoever asks: a listing shows every object created before it.
type Store interface {
	// Create stores an object that does not exist yet; ErrExists if it does.
	// It may be answered with an error though the object was stored: a caller
	// that has to know uses [CreateSame].
	Create(ctx context.Context, key string, body io.ReadSeeker, sum Checksum) error
	// Replace stores an object in place of the one with this tag; ErrChanged
	// if that is no longer there. It returns the new tag. It may be answered
	// with an error, ErrChanged too, though the object was stored: a caller
	// that has to know uses [ReplaceSame].
	Replace(ctx context.Context, key, tag string, body []byte) (string, error)
	// Get opens an object; ErrNotFound. The caller closes the reader, which
	// ends with io.EOF at the object's end only.
	Get(ctx context.Context, key string) (io.ReadCloser, Object, error)
	// GetRange returns the bytes [from, to) of an object; ErrNotFound. It is an
	// error if the object has no such bytes.
	GetRange(ctx context.Context, key string, from, to int64) ([]byte, error)
	// Head describes an object; ErrNotFound.
	Head(ctx context.Context, key string) (Object, error)
	// List returns the keys that begin with prefix, in ascending order.
	List(ctx context.Context, prefix string) ([]string, error)
}

// Object describes an object.
type Object struct {
	Size int64
	// Tag names this content of the object, for [Store.Replace].
	Tag string
	// Sum is the checksum the store keeps; nil if it keeps none.
	Sum *Checksum
}

// Checksum is the SHA-256 of an object.
type Checksum [sha256.Size]byte

// String returns the checksum in hexadecimal.
func (c Checksum) String() string { return hex.EncodeToString(c[:]) }

// MarshalText writes the checksum as [Checksum.String] does.
func (c Checksum) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Checksum) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(c[:], text); err != nil || n != len(c) {
		return fmt.Errorf("SHA-256 %q is not %d hexadecimal digits", text, 2*len(c))
	}
	return nil
}

// contradictions is how often a write is tried that the service refuses for the
// state of the object, while the object is not in that state: it was for a
// moment, or the answer was another's.
const contradictions = 3

// CreateSame stores an object, and is content with one that is there already
// if it is the same. So a step that is repeated after a crash, or after an
// answer that was lost, succeeds; one that would write something else does not.
//
// After any error but ErrExists the object is not there, and may still appear:
// the request can be on its way.
func CreateSame(ctx context.Context, s Store, key string, body io.ReadSeeker, sum Checksum) error {
	for try := 1; ; try++ {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("create %s: read the body: %w", key, err)
		}
		created := s.Create(ctx, key, body, sum)
		if created == nil {
			return nil
		}
		there, err := SumOf(ctx, s, key)
		switch {
		case err == nil && there == sum:
			return nil
		case err == nil:
			return fmt.Errorf("create %s with SHA-256 %s: %w with SHA-256 %s; neither was touched", key, sum, ErrExists, there)
		case !errors.Is(err, ErrNotFound):
			return errors.Join(created, err)
		case !errors.Is(created, ErrExists):
			return created
		case try == contradictions:
			return fmt.Errorf("create %s: refused %d times because it exists, and it does not", key, try)
		}
	}
}

// SumOf returns the checksum of an object: the one the store keeps, or, where
// it keeps none, that of the bytes it returns.
func SumOf(ctx context.Context, s Store, key string) (Checksum, error) {
	o, err := s.Head(ctx, key)
	if err != nil {
		return Checksum{}, err
	}
	if o.Sum != nil {
		return *o.Sum, nil
	}
	sum, _, err := Copy(ctx, s, key, io.Discard)
	return sum, err
}

// ReplaceSame replaces an object that has this tag, and is content with one that
// is what it would have written. It returns the tag of that. So an answer that
// was lost, or was to a repetition of the request, is settled; ErrChanged is
// only said of an object that another wrote.
//
// After any other error the object was as before, and may still become what was
// asked for: the request can be on its way.
func ReplaceSame(ctx context.Context, s Store, key, tag string, body []byte) (string, error) {
	for try := 1; ; try++ {
		next, replaced := s.Replace(ctx, key, tag, body)
		if replaced == nil {
			return next, nil
		}
		there, o, err := ReadAll(ctx, s, key)
		switch {
		case errors.Is(err, ErrNotFound):
			return "", fmt.Errorf("replace %s: %w: it is gone", key, ErrChanged)
		case err != nil:
			return "", errors.Join(replaced, err)
		case bytes.Equal(there, body):
			return o.Tag, nil
		case o.Tag != tag:
			return "", fmt.Errorf("replace %s: %w: it is %s", key, ErrChanged, there)
		case !errors.Is(replaced, ErrChanged):
			return "", replaced
		case try == contradictions:
			return "", fmt.Errorf("replace %s: refused %d times because it is not %s, and it is", key, try, tag)
		}
	}
}

// Copy copies an object to w and returns its checksum and size as read.
func Copy(ctx context.Context, s Store, key string, w io.Writer) (sum Checksum, size int64, err error) {
	r, _, err := s.Get(ctx, key)
	if err != nil {
		return sum, 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	hash := sha256.New()
	size, err = io.Copy(io.MultiWriter(w, hash), r)
	if err != nil {
		return sum, size, fmt.Errorf("read %s after %d bytes: %w", key, size, err)
	}
	hash.Sum(sum[:0])
	return sum, size, nil
}

// maxReadAll bounds a small object. A manifest has some 500 bytes for each file of
// its day.
const maxReadAll = 64 << 20

// ReadAll returns a small object, which has the checksum the store keeps, if it
// keeps one.
func ReadAll(ctx context.Context, s Store, key string) ([]byte, Object, error) {
	r, o, err := s.Get(ctx, key)
	if err != nil {
		return nil, o, err
	}
	body, err := io.ReadAll(io.LimitReader(r, maxReadAll+1))
	if len(body) > maxReadAll {
		err = fmt.Errorf("it has more than %d bytes, and whatever is read whole has less; see who wrote it", maxReadAll)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, o, fmt.Errorf("read %s: %w", key, err)
	}
	if got := SumBytes(body); o.Sum != nil && got != *o.Sum {
		return nil, o, fmt.Errorf("read %s: its SHA-256 is %s, it was stored with %s; the object is damaged, or the way to it: restore it if it stays so", key, got, *o.Sum)
	}
	return body, o, nil
}

// SumBytes returns the checksum of body.
func SumBytes(body []byte) Checksum { return sha256.Sum256(body) }

// CreateBytes is [CreateSame] for an object in memory.
func CreateBytes(ctx context.Context, s Store, key string, body []byte) error {
	return CreateSame(ctx, s, key, bytes.NewReader(body), SumBytes(body))
}
