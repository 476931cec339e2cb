package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// S3 is a store in one bucket. An object up to the part size is put by a single
// request, which leaves nothing behind when it fails; a larger one in parts, of
// which gc clears away what a crash left, see [S3.Uploads].
//
// A request is repeated by the SDK where its fate is unknown or was "not now":
// no connection, no answer, 500, 502, 503, 504. So the answer that counts may
// be to a repetition, and 412 may speak of what this very request stored. That
// is why who has to know uses [CreateSame] and [ReplaceSame].
type S3 struct {
	client  *s3.Client
	config  S3Config
	retryer aws.Retryer
	prefix  string // ends in /
}

var (
	_ Store   = (*S3)(nil)
	_ Sweeper = (*S3)(nil)
)

// OpenS3 returns the store; it does not reach for the service.
func OpenS3(ctx context.Context, c S3Config) (*S3, error) {
	retryer := newRetryer(c.Attempts, c.MaxBackoff)
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(c.Region),
		awsconfig.WithRetryer(func() aws.Retryer { return retryer }),
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = c.AnswerTimeout
			t.DialContext = dialer(t.DialContext).stalling(c.AnswerTimeout)
		})),
	}
	if c.AccessKey.Given() {
		options = append(options, awsconfig.WithCredentialsProvider(aws.CredentialsProviderFunc(c.credentials)))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("s3 configuration: %w", err)
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.UsePathStyle = c.PathStyle
		// The checksums of a request are chosen here, by c.Checksum: not every
		// service knows those the SDK would add. What is read is compared with
		// the SHA-256 by whoever reads it.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.Logger = logging.Nop{} // it would write to standard error what the errors say
		o.HTTPClient = patient{o.HTTPClient, c.AnswerTimeout}
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	return &S3{client: client, config: c, retryer: retryer, prefix: c.Prefix + "/"}, nil
}

func (s *S3) key(key string) *string { return aws.String(s.prefix + key) }

// Create implements [Store].
func (s *S3) Create(ctx context.Context, key string, body io.ReadSeeker, sum Checksum) error {
	size, err := body.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = body.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("create %s: read the body: %w", key, err)
	}
	if at, ok := body.(io.ReaderAt); ok && size > s.config.PartSize {
		return s.fail("create", key, s.upload(ctx, key, at, size, sum))
	}
	_, err = s.put(ctx, key, body, size, sum, func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
	return s.fail("create", key, err)
}

// Replace implements [Store].
func (s *S3) Replace(ctx context.Context, key, tag string, body []byte) (string, error) {
	next, err := s.put(ctx, key, bytes.NewReader(body), int64(len(body)), SumBytes(body), func(in *s3.PutObjectInput) { in.IfMatch = &tag })
	if status(err) == http.StatusPreconditionFailed || status(err) == http.StatusNotFound {
		return "", fmt.Errorf("replace s3://%s/%s%s: %w", s.config.Bucket, s.prefix, key, ErrChanged)
	}
	return next, s.fail("replace", key, err)
}

// Get implements [Store]. A download that breaks off is taken up again where it
// did, as long as the object is the same.
func (s *S3) Get(ctx context.Context, key string) (io.ReadCloser, Object, error) {
	d := &download{store: s, ctx: ctx, key: key}
	if err := d.begin(); err != nil {
		return nil, Object{}, s.fail("get", key, err)
	}
	return d, d.object, nil
}

// Head implements [Store].
func (s *S3) Head(ctx context.Context, key string) (Object, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.config.Bucket, Key: s.key(key), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return Object{}, s.fail("head", key, err)
	}
	o := Object{Size: aws.ToInt64(out.ContentLength), Tag: aws.ToString(out.ETag), Sum: sumIn(out.Metadata)}
	// That of an object in parts is of the parts' checksums, and longer.
	if raw, err := base64.StdEncoding.DecodeString(aws.ToString(out.ChecksumSHA256)); err == nil && len(raw) == len(Checksum{}) {
		sum := Checksum(raw)
		o.Sum = &sum
	}
	return o, nil
}

// List implements [Store].
func (s *S3) List(ctx context.Context, prefix string) ([]string, error) {
	all, err := s.Inventory(ctx, prefix)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(all))
	for i, o := range all {
		keys[i] = o.Key
	}
	return keys, nil
}

// Inventory implements [Sweeper].
func (s *S3) Inventory(ctx context.Context, prefix string) ([]Stored, error) {
	var all []Stored
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.config.Bucket, Prefix: s.key(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.fail("list", prefix, err)
		}
		for _, o := range page.Contents {
			all = append(all, Stored{Key: strings.TrimPrefix(aws.ToString(o.Key), s.prefix), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)})
		}
	}
	return all, nil
}

// Delete implements [Sweeper].
func (s *S3) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.config.Bucket, Key: s.key(key)})
	return s.fail("delete", key, err)
}

// fail names the object, the remedy where there is one, and makes the answers
// a caller acts on the errors of this package.
func (s *S3) fail(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	at := fmt.Sprintf("%s s3://%s/%s%s", verb, s.config.Bucket, s.prefix, key)
	// HEAD has no body that could say so: there a missing bucket is a missing
	// object. But the first request of a compactor is a GET.
	switch said, answered := code(err), status(err); {
	case said == "NoSuchBucket":
		return fmt.Errorf("%s: bucket %q does not exist; create it or correct s3.bucket", at, s.config.Bucket)
	case said == "NoSuchUpload":
		return fmt.Errorf("%s: its upload in parts was completed or aborted meanwhile: %w", at, err)
	case answered == http.StatusNotFound:
		return fmt.Errorf("%s: %w", at, ErrNotFound)
	case answered == http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", at, ErrExists)
	case answered == http.StatusForbidden:
		return fmt.Errorf("%s: %w; check s3.access_key, s3.secret_key and the bucket's policy", at, err)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// status returns the HTTP status a request was answered with, 0 if none.
func status(err error) int {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// code returns the S3 error code a request was answered with, "" if none.
func code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}
