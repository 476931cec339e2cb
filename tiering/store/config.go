package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"penstock/transport"
)

// S3Config says where the bucket is, how to get in, and how objects are kept.
type S3Config struct {
	// Endpoint is the URL of the service, such as http://127.0.0.1:7070. The
	// default is empty: the service of AWS in Region.
	Endpoint string `koanf:"endpoint" json:"endpoint"`
	// Region is the bucket's region. The default is us-east-1, which services
	// other than AWS accept.
	Region string `koanf:"region" json:"region"`
	// Bucket has to exist: the compactor has no right to create one.
	Bucket string `koanf:"bucket" json:"bucket"`
	// Prefix is the folder of the bucket that the store's keys are relative
	// to. The default is "penstock".
	Prefix string `koanf:"prefix" json:"prefix"`
	// AccessKey and SecretKey are the credentials. The default is empty: the
	// SDK's own chain (environment, shared config, web identity, instance role).
	AccessKey transport.Secret `koanf:"access_key" json:"access_key"`
	SecretKey transport.Secret `koanf:"secret_key" json:"secret_key"`
	// PathStyle puts the bucket into the path of a URL instead of its host
	// name. The default is true, which every service understands that has no
	// host name per bucket, and AWS does too.
	PathStyle bool `koanf:"path_style" json:"path_style"`
	// Attempts is how often a request is tried in all, and how often a download
	// is taken up again without a byte of progress. The default is 5, over some
	// 20 s: longer than a failover of the service, shorter than a lease.
	Attempts int `koanf:"attempts" json:"attempts"`
	// MaxBackoff bounds the wait between two attempts, which is random and grows
	// from 2 s, twofold each time. The default is 20s. Smaller: sooner back
	// after a short fault, and a burden to a service that recovers.
	MaxBackoff time.Duration `koanf:"max_backoff" json:"max_backoff"`
	// AnswerTimeout bounds the wait for the beginning of an answer, once a
	// request is sent, and for every further piece of it and of the request; a
	// service that is stuck would else stop the compactor for good. The default
	// is 30s, longer than a service takes to check and store what it was sent.
	AnswerTimeout time.Duration `koanf:"answer_timeout" json:"answer_timeout"`
	// PartSize, in bytes: a larger object is uploaded in parts of this size.
	// Larger: fewer requests. Smaller: less is sent again when one fails. The
	// default is 64 MiB, 4 to 8 parts of a file; S3 allows 5 MiB to 5 GiB, and
	// 10,000 parts an object.
	PartSize int64 `koanf:"part_size" json:"part_size"`
	// ParallelParts is how many parts of an object are on their way at once.
	// They are read from the spool file as they are sent, so memory does not
	// grow with it. The default is 4: one connection seldom fills the line.
	ParallelParts int `koanf:"parallel_parts" json:"parallel_parts"`
	// Checksum is what the service compares what arrives with, and keeps:
	// sha256, crc32c, or none for a service that knows neither. The default is
	// sha256. An object's SHA-256 is in its metadata in any case, and every
	// request is signed with that of its body.
	Checksum string `koanf:"checksum" json:"checksum"`
	// SSE is how the service encrypts objects: none, which leaves it to the
	// bucket's own default, AES256, or aws:kms. The default is none: buckets
	// of AWS have AES256 by default, and other services know no header for it.
	SSE string `koanf:"sse" json:"sse"`
	// KMSKeyID is the key for aws:kms, as an ARN, an id or an alias. The
	// default is empty: the account's key for S3.
	KMSKeyID string `koanf:"kms_key_id" json:"kms_key_id"`
	// StorageClass of objects of 128 KiB and more; smaller ones, manifests and
	// the lease among them, cost more in every class but the standard one. One
	// that has to be asked for days ahead, such as GLACIER, is no cold tier
	// that can be queried. The default is empty: the service's.
	StorageClass string `koanf:"storage_class" json:"storage_class"`
}

// The values of [S3Config.Checksum] and [S3Config.SSE].
const (
	checksumSHA256 = "sha256"
	checksumCRC32C = "crc32c"
	none           = "none"
	sseAES256      = string(types.ServerSideEncryptionAes256)
	sseKMS         = string(types.ServerSideEncryptionAwsKms)
)

// Bounds of S3 for a part of an upload.
const (
	smallestPart = 5 << 20
	largestPart  = 5 << 30
)

// DefaultS3Config returns the defaults.
func DefaultS3Config() S3Config {
	return S3Config{
		Region: "us-east-1", Prefix: "penstock", PathStyle: true, Attempts: 5, MaxBackoff: 20 * time.Second, AnswerTimeout: 30 * time.Second,
		PartSize: 64 << 20, ParallelParts: 4, Checksum: checksumSHA256, SSE: none,
	}
}

// prefixes need no escaping in a URL, in a glob or in SQL.
var prefixes = regexp.MustCompile(`^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$`)

// queryable are the storage classes whose objects can be read at once.
var queryable = []string{
	"", string(types.StorageClassStandard), string(types.StorageClassStandardIa), string(types.StorageClassOnezoneIa),
	string(types.StorageClassIntelligentTiering), string(types.StorageClassGlacierIr), string(types.StorageClassReducedRedundancy),
}

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
	check(c.AccessKey.Given() == c.SecretKey.Given(), "s3.access_key and s3.secret_key go together; set both, or neither for the default credential chain")
	check(c.Attempts >= 1, "s3.attempts is %d; want at least 1", c.Attempts)
	check(c.MaxBackoff > 0, "s3.max_backoff is %v; want a positive duration such as 20s", c.MaxBackoff)
	check(c.AnswerTimeout > 0, "s3.answer_timeout is %v; want a positive duration such as 30s", c.AnswerTimeout)
	check(c.PartSize >= smallestPart && c.PartSize <= largestPart, "s3.part_size is %d; want %d to %d bytes", c.PartSize, smallestPart, int64(largestPart))
	check(c.ParallelParts >= 1, "s3.parallel_parts is %d; want at least 1", c.ParallelParts)
	among := func(name, value string, of ...string) {
		check(slices.Contains(of, value), "s3.%s is %q; want one of %s", name, value, strings.Join(of, ", "))
	}
	among("checksum", c.Checksum, checksumSHA256, checksumCRC32C, none)
	among("sse", c.SSE, none, sseAES256, sseKMS)
	check(c.KMSKeyID == "" || c.SSE == sseKMS, "s3.kms_key_id is %q and s3.sse %q; a key goes with aws:kms only", c.KMSKeyID, c.SSE)
	check(slices.Contains(queryable, c.StorageClass), "s3.storage_class is %q; want nothing or one of %s, whose objects can be read at once",
		c.StorageClass, strings.Join(queryable[1:], ", "))
	return errors.Join(append(errs, c.AccessKey.Validate("s3.access_key"), c.SecretKey.Validate("s3.secret_key"))...)
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

// credentialsLast is how long keys that are in files are used before they are read
// again. Longer than a request is tried, and shorter than anybody waits who
// replaced them.
const credentialsLast = time.Minute

// credentials are the keys that are configured, as the SDK asks for them.
func (c S3Config) credentials(context.Context) (aws.Credentials, error) {
	access, err := c.AccessKey.Reveal()
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("s3.access_key: %w", err)
	}
	secret, err := c.SecretKey.Reveal()
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("s3.secret_key: %w", err)
	}
	return aws.Credentials{
		AccessKeyID: access, SecretAccessKey: secret, Source: "penstock",
		CanExpire: c.AccessKey.Renewable() || c.SecretKey.Renewable(), Expires: time.Now().Add(credentialsLast),
	}, nil
}
