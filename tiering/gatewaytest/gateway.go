// Package gatewaytest runs a real S3 gateway, versitygw, for one test.
package gatewaytest

import (
	"context"
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

// Start starts a gateway over an empty folder, with one empty bucket, and
// stops it when the test ends. Without the program the test is skipped.
func Start(t testing.TB) store.S3Config {
	t.Helper()
	program := find(t)
	root := filepath.Join(t.TempDir(), "objects")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	config := store.DefaultS3Config()
	config.Endpoint = "http://" + freeAddr(t)
	config.Bucket, config.AccessKey, config.SecretKey = "cold", "test-access", "test-secret"

	cmd := exec.Command(program, "--quiet", "--port", config.Endpoint[len("http://"):], "posix", root)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+config.AccessKey, "ROOT_SECRET_KEY="+config.SecretKey)
	log, err := os.Create(filepath.Join(filepath.Dir(root), "gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("stop gateway: %v", err)
		}
		// The error is the kill above.
		_ = cmd.Wait()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	createBucket(t, config, log.Name())
	return config
}

// find returns the gateway's program: the one the environment names, or the
// one in the repository's cache.
func find(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("PENSTOCK_VERSITYGW"); p != "" {
		return p
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		found, err := filepath.Glob(filepath.Join(dir, ".cache", "versitygw-*", "versitygw"))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Skip("no S3 gateway: neither PENSTOCK_VERSITYGW nor .cache/versitygw-*/versitygw at the root of the repository; fetch the local stack first")
	return ""
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
