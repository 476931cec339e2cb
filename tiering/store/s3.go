package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// S3Config says where the bucket is and how to get in.
type S3Config struct {
	// Endpoint is the URL of the service, such as http://127.0.0.1:7070. The
	// default is empty: the service of AWS in Region.
	Endpoint string `koanf:"endpoint"`
	// Region is the bucket's region. The default is us-east-1, which services
	// other than AWS accept.
	Region string `koanf:"region"`
	// Bucket has to exist: the compactor has no right to create one.
	Bucket string `koanf:"bucket"`
	// Prefix is the folder of the bucket that the store's keys are relative
	// to. The default is "penstock".
	Prefix string `koanf:"prefix"`
	// AccessKey and SecretKey are the credentials. The default is empty: the
	// SDK's own chain (environment, shared config, instance role).
	AccessKey string `koanf:"access_key"`
	SecretKey string `koanf:"secret_key"`
	// PathStyle puts the bucket into the path of a URL instead of its host
	// name. The default is true, which every service understands that has no
	// host name per bucket, and AWS does too.
	PathStyle bool `koanf:"path_style"`
	// Attempts is how often a request is tried in all. The default is 5, over
	// some 20 s: longer than a failover of the service, shorter than a lease.
	Attempts int `koanf:"attempts"`
	// AnswerTimeout bounds the wait for the beginning of an answer, once a
	// request is sent; a service that is stuck would else stop the compactor
	// for good. The default is 30s, longer than a service takes to check and
	// store what it was sent.
	AnswerTimeout time.Duration `koanf:"answer_timeout"`
}

// DefaultS3Config returns the defaults.
func DefaultS3Config() S3Config {
	return S3Config{Region: "us-east-1", Prefix: "penstock", PathStyle: true, Attempts: 5, AnswerTimeout: 30 * time.Second}
}

// prefixes need no escaping in a URL, in a glob or in SQL.
var prefixes = regexp.MustCompile(`^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$`)

// Validate returns every fault of the configuration.
func (c S3Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Bucket != "", "s3.bucket is empty; name an existing bucket")
	check(prefixes.MatchString(c.Prefix), "s3.prefix is %q; want letters, digits and _ . = -, in folders separated by /", c.Prefix)
	check(c.Region != "", "s3.region is empty; set it, us-east-1 if the service has none")
	u, err := url.Parse(c.Endpoint)
	check(err == nil && (c.Endpoint == "" || u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")),
		"s3.endpoint is %q; want a URL such as https://s3.example.com, or nothing for AWS", c.Endpoint)
	check((c.AccessKey == "") == (c.SecretKey == ""), "s3.access_key and s3.secret_key go together; set both, or neither for the default credential chain")
	check(c.Attempts >= 1, "s3.attempts is %d; want at least 1", c.Attempts)
	check(c.AnswerTimeout > 0, "s3.answer_timeout is %v; want a positive duration such as 30s", c.AnswerTimeout)
	return errors.Join(errs...)
}

// URL returns the address of a key, with the service at this endpoint: c.Endpoint
// or, for a reader that reaches it by another way, that one.
func (c S3Config) URL(endpoint, key string) (string, error) {
	if endpoint == "" {
		endpoint = "https://s3." + c.Region + ".amazonaws.com"
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("s3 endpoint %q: %w", endpoint, err)
	}
	if !c.PathStyle {
		u.Host = c.Bucket + "." + u.Host
		return u.JoinPath(c.Prefix, key).String(), nil
	}
	return u.JoinPath(c.Bucket, c.Prefix, key).String(), nil
}

// S3 is a store in one bucket. An object is put by a single request, which
// leaves nothing behind when it fails; that bounds an object to 5 GiB.
type S3 struct {
	client *s3.Client
	bucket string
	prefix string // ends in /
}

var (
	_ Store   = (*S3)(nil)
	_ Sweeper = (*S3)(nil)
)

// OpenS3 returns the store; it does not reach for the service.
func OpenS3(ctx context.Context, c S3Config) (*S3, error) {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(c.Region),
		awsconfig.WithRetryMaxAttempts(c.Attempts),
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = c.AnswerTimeout
		})),
	}
	if c.AccessKey != "" {
		options = append(options, awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, "")))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("s3 configuration: %w", err)
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.UsePathStyle = c.PathStyle
		// Not every service keeps checksums; what is read is compared with the
		// manifest's in any case.
		o.DisableLogOutputChecksumValidationSkipped = true
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	return &S3{client: client, bucket: c.Bucket, prefix: c.Prefix + "/"}, nil
}

// Create implements [Store]. The service verifies the body by its SHA-256.
func (s *S3) Create(ctx context.Context, key string, body io.ReadSeeker, sum Checksum) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key), Body: body,
		IfNoneMatch:    aws.String("*"),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	})
	return s.fail("create", key, err)
}

// Replace implements [Store].
func (s *S3) Replace(ctx context.Context, key, tag string, body []byte) (string, error) {
	out, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key), Body: bytes.NewReader(body), IfMatch: &tag,
	})
	if status(err) == http.StatusPreconditionFailed || status(err) == http.StatusNotFound {
		return "", fmt.Errorf("replace s3://%s/%s%s: %w", s.bucket, s.prefix, key, ErrChanged)
	}
	if err != nil {
		return "", s.fail("replace", key, err)
	}
	return aws.ToString(out.ETag), nil
}

// Get implements [Store].
func (s *S3) Get(ctx context.Context, key string) (io.ReadCloser, Object, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil {
		return nil, Object{}, s.fail("get", key, err)
	}
	return out.Body, Object{Size: aws.ToInt64(out.ContentLength), Tag: aws.ToString(out.ETag)}, nil
}

// Head implements [Store].
func (s *S3) Head(ctx context.Context, key string) (Object, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return Object{}, s.fail("head", key, err)
	}
	o := Object{Size: aws.ToInt64(out.ContentLength), Tag: aws.ToString(out.ETag)}
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
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)})
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
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	return s.fail("delete", key, err)
}

// fail names the object, the remedy where there is one, and makes the answers
// a caller acts on the errors of this package.
func (s *S3) fail(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	at := fmt.Sprintf("%s s3://%s/%s%s", verb, s.bucket, s.prefix, key)
	// HEAD has no body that could say so: there a missing bucket is a missing
	// object. But the first request of a compactor is a GET.
	var answer smithy.APIError
	switch code := status(err); {
	case errors.As(err, &answer) && answer.ErrorCode() == "NoSuchBucket":
		return fmt.Errorf("%s: bucket %q does not exist; create it or correct s3.bucket", at, s.bucket)
	case code == http.StatusNotFound:
		return fmt.Errorf("%s: %w", at, ErrNotFound)
	case code == http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", at, ErrExists)
	case code == http.StatusForbidden:
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
