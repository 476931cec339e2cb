package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// part is a piece of an object on its way.
type part struct {
	number int32 // from 1
	body   *io.SectionReader
	sum    Checksum
	digest digest
	tag    *string // what the service calls it, once it is there
}

// upload creates an object of several parts. The object appears whole when the
// upload is completed, if none has appeared meanwhile; an upload that fails is
// aborted.
func (s *S3) upload(ctx context.Context, key string, body io.ReaderAt, size int64, sum Checksum) error {
	// Known before anything is sent, and not only when it is completed: a step
	// that is repeated after a crash finds what it stored the first time.
	switch _, err := s.Head(ctx, key); {
	case err == nil:
		return ErrExists
	case !errors.Is(err, ErrNotFound):
		return err
	}
	parts, err := s.split(body, size, sum)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := s.uploadOnce(ctx, key, parts, size, sum)
		// Another write of the object was on its way. The upload is lost by
		// that; a new one meets the other's object, or none.
		if code(err) != conditionalConflict || attempt == s.config.Attempts {
			return err
		}
		if err := s.pause(ctx, attempt, err); err != nil {
			return err
		}
	}
}

// split cuts a body into parts and sums them, and compares the whole with sum:
// the service sees the parts only.
func (s *S3) split(body io.ReaderAt, size int64, sum Checksum) ([]part, error) {
	whole := sha256.New()
	var parts []part
	for from := int64(0); from < size; from += s.config.PartSize {
		p := part{number: int32(len(parts) + 1), body: io.NewSectionReader(body, from, min(s.config.PartSize, size-from))}
		own := sha256.New()
		if _, err := io.Copy(io.MultiWriter(whole, own), p.body); err != nil {
			return nil, fmt.Errorf("read the body: %w", err)
		}
		own.Sum(p.sum[:0])
		var err error
		if p.digest, err = s.digest(p.sum, io.NewSectionReader(p.body, 0, p.body.Size())); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	if got := Checksum(whole.Sum(nil)); got != sum {
		return nil, fmt.Errorf("the body's SHA-256 is %s, not %s as announced", got, sum)
	}
	return parts, nil
}

func (s *S3) uploadOnce(ctx context.Context, key string, parts []part, size int64, sum Checksum) (err error) {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &s.config.Bucket, Key: s.key(key), Metadata: metadata(sum), StorageClass: s.storageClass(size),
	}
	switch s.config.Checksum {
	case checksumSHA256:
		in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	case checksumCRC32C:
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32c
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = s.encryption()
	// Its answer lost, the repetition begins another upload. The first one is
	// orphaned, as after a crash.
	created, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		// Also when ctx has ended. What is left after this only gc finds.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
		defer cancel()
		err = errors.Join(err, s.abort(ctx, key, created.UploadId))
	}()
	if err := s.sendParts(ctx, key, created.UploadId, parts); err != nil {
		return err
	}
	completed := &types.CompletedMultipartUpload{}
	for _, p := range parts {
		completed.Parts = append(completed.Parts, types.CompletedPart{
			PartNumber: &p.number, ETag: p.tag, ChecksumSHA256: p.digest.sha256, ChecksumCRC32C: p.digest.crc32c,
		})
	}
	_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.config.Bucket, Key: s.key(key), UploadId: created.UploadId, MultipartUpload: completed, IfNoneMatch: aws.String("*"),
	})
	return err
}

// sendParts sends all parts, some at once. The first that fails ends the others.
func (s *S3) sendParts(ctx context.Context, key string, id *string, parts []part) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.config.ParallelParts)
	for i := range parts {
		g.Go(func() error {
			p := &parts[i]
			if _, err := p.body.Seek(0, io.SeekStart); err != nil {
				return fmt.Errorf("read the body: %w", err)
			}
			out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: &s.config.Bucket, Key: s.key(key), UploadId: id, PartNumber: &p.number, Body: p.body,
				ChecksumSHA256: p.digest.sha256, ChecksumCRC32C: p.digest.crc32c,
			}, signed(p.sum))
			if err != nil {
				return fmt.Errorf("part %d of %d: %w", p.number, len(parts), err)
			}
			p.tag = out.ETag
			return nil
		})
	}
	return g.Wait()
}

// abortPatience bounds the abort of an upload that has failed already.
const abortPatience = 30 * time.Second

// abort ends an upload; no error if there is none: it was completed, or its abort
// was repeated.
func (s *S3) abort(ctx context.Context, key string, id *string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.config.Bucket, Key: s.key(key), UploadId: id})
	if err == nil || status(err) == http.StatusNotFound {
		return nil
	}
	return fmt.Errorf("abort its upload %s: %w", aws.ToString(id), err)
}
