package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

// metadataSum is under which name an object's SHA-256 stands in its metadata.
// The service's own checksum of an object in parts is not that of its bytes.
const metadataSum = "sha256"

func metadata(sum Checksum) map[string]string { return map[string]string{metadataSum: sum.String()} }

// sumIn returns the checksum that metadata has; nil if it has none: somebody
// else put the object there.
func sumIn(metadata map[string]string) *Checksum {
	var sum Checksum
	if sum.UnmarshalText([]byte(metadata[metadataSum])) != nil {
		return nil
	}
	return &sum
}

// smallObject is up to where classes other than the standard one cost more.
const smallObject = 128 << 10

func (s *S3) storageClass(size int64) types.StorageClass {
	if size < smallObject {
		return ""
	}
	return types.StorageClass(s.config.StorageClass)
}

// encryption returns how the service is asked to encrypt; both may be nothing.
func (s *S3) encryption() (types.ServerSideEncryption, *string) {
	if s.config.SSE == none {
		return "", nil
	}
	if s.config.KMSKeyID == "" {
		return types.ServerSideEncryption(s.config.SSE), nil
	}
	return types.ServerSideEncryption(s.config.SSE), &s.config.KMSKeyID
}

// digest is what the service compares a body with: either is nil if it is not
// asked to.
type digest struct {
	sha256, crc32c *string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// digest returns that of a body with this SHA-256; body is read from its
// beginning if another checksum than that is wanted.
func (s *S3) digest(sum Checksum, body io.Reader) (digest, error) {
	encode := func(b []byte) *string { return aws.String(base64.StdEncoding.EncodeToString(b)) }
	switch s.config.Checksum {
	case checksumSHA256:
		return digest{sha256: encode(sum[:])}, nil
	case checksumCRC32C:
		crc := crc32.New(castagnoli)
		if _, err := io.Copy(crc, body); err != nil {
			return digest{}, fmt.Errorf("read the body: %w", err)
		}
		return digest{crc32c: encode(crc.Sum(nil))}, nil
	}
	return digest{}, nil
}

// put stores a body by one request. The service refuses one that has not this
// checksum: the request is signed with it.
func (s *S3) put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum Checksum, condition func(*s3.PutObjectInput)) (tag string, err error) {
	d, err := s.digest(sum, body)
	if err != nil {
		return "", err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("read the body: %w", err)
	}
	in := &s3.PutObjectInput{
		Bucket: &s.config.Bucket, Key: s.key(key), Body: body, Metadata: metadata(sum),
		ChecksumSHA256: d.sha256, ChecksumCRC32C: d.crc32c, StorageClass: s.storageClass(size),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = s.encryption()
	condition(in)
	out, err := s.client.PutObject(ctx, in, s.conflicting, signed(sum))
	if err != nil {
		return "", err
	}
	if out.ETag == nil {
		return "", errors.New("the service answered without an ETag")
	}
	return *out.ETag, nil
}

// signed puts a body's checksum into the signature of its request, over TLS
// too, where the SDK would leave the body out.
func signed(sum Checksum) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(middleware.BuildMiddlewareFunc("PenstockPayloadHash",
				func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
					return next.HandleBuild(v4.SetPayloadHash(ctx, sum.String()), in)
				}), middleware.After)
		})
	}
}
