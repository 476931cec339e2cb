// Package servicetest runs the services the cold tier works on for one test:
// the S3 gateway versitygw, and ClickHouse as the local stack has it. Neither
// is stood in for: a test whose program is not in the cache is skipped.
package servicetest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/tiering/store"
)

// Gateway starts an S3 gateway over an empty folder, with one empty bucket, and
// stops it when the test ends.
func Gateway(t testing.TB) store.S3Config {
	t.Helper()
	program := cached(t, "PENSTOCK_VERSITYGW", "versitygw-*/versitygw")
	root, metadata := filepath.Join(t.TempDir(), "objects"), filepath.Join(t.TempDir(), "metadata")
	if err := errors.Join(os.Mkdir(root, 0o755), os.Mkdir(metadata, 0o755)); err != nil {
		t.Fatal(err)
	}
	config := store.DefaultS3Config()
	config.Endpoint = "http://" + freeAddr(t)
	config.Bucket, config.AccessKey, config.SecretKey = "cold", "test-access", "test-secret"

	cmd := exec.Command(program, "--quiet", "--port", config.Endpoint[len("http://"):], "posix", "--sidecar", metadata, root)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+config.AccessKey, "ROOT_SECRET_KEY="+config.SecretKey)
	log := start(t, cmd)
	createBucket(t, config, log)
	return config
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	return l.Addr().String()
}

// createBucket creates the bucket, which is also how the gateway is known to
// be up.
func createBucket(t testing.TB, c store.S3Config, log string) {
	t.Helper()
	client := s3.New(s3.Options{
		BaseEndpoint: &c.Endpoint, Region: c.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, ""),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(c.Bucket)})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(log)
			t.Fatalf("gateway does not answer: %v\n%s", err, text)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
