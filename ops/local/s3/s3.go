// Package s3 runs the S3 of a local stack: versitygw over a plain folder, with
// one bucket, an account that may do everything, and those of Allow. Objects are files below the folder's data, under
// their own names.
package s3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"penstock/ops/local/child"
)

// The account that may do everything, and its region. They guard nothing: the gateway listens on
// the loopback interface only.
const (
	AccessKey = "penstock"
	SecretKey = "penstock-secret"
	Region    = "us-east-1"
)

// Config says how to run the gateway.
type Config struct {
	// Program is the path of versitygw.
	Program string
	// Dir is its folder: objects, their metadata and the log.
	Dir string
	// Port is the port of the loopback interface it listens on.
	Port int
	// Bucket is created if it is not there.
	Bucket string
}

// Gateway is an S3 endpoint of this machine. It keeps its address and its
// objects over a Stop or Kill and the Start after it. The caller calls Start,
// Stop and Kill one at a time.
type Gateway struct {
	cfg     Config
	process *child.Process // nil while it does not run
}

// New prepares a gateway; Start starts it.
func New(cfg Config) *Gateway { return &Gateway{cfg: cfg} }

// Endpoint is the URL clients are given; buckets are in the path.
func (g *Gateway) Endpoint() string { return "http://" + child.Loopback(g.cfg.Port) }

// Process is the gateway's process; nil while it does not run.
func (g *Gateway) Process() *child.Process { return g.process }

// Start starts the gateway, waits until it answers and creates the bucket.
func (g *Gateway) Start(ctx context.Context) error {
	objects, metadata := filepath.Join(g.cfg.Dir, "data"), filepath.Join(g.cfg.Dir, "metadata")
	accounts := filepath.Join(g.cfg.Dir, "accounts")
	for _, dir := range []string{objects, metadata, accounts} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("start s3: %w", err)
		}
	}
	process, err := child.Start(child.Spec{
		Name: "versitygw",
		Args: []string{g.cfg.Program, "--quiet", "--port", child.Loopback(g.cfg.Port), "--region", Region, "--iam-dir", accounts,
			// Metadata goes to files, not extended attributes: those are missing
			// on tmpfs and on many a container's file system.
			"posix", "--sidecar", metadata, objects},
		Env: []string{"ROOT_ACCESS_KEY_ID=" + AccessKey, "ROOT_SECRET_ACCESS_KEY=" + SecretKey},
		Log: filepath.Join(g.cfg.Dir, "versitygw.log"),
	})
	if err != nil {
		return err
	}
	client := g.Client()
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("versitygw did not answer within 30 s"))
	defer cancel()
	if err := process.Await(ctx, func(ctx context.Context) error { return createBucket(ctx, client, g.cfg.Bucket) }); err != nil {
		return errors.Join(err, process.Kill())
	}
	g.process = process
	return nil
}

// Client is a client of the gateway with the account that may do everything.
func (g *Gateway) Client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(g.Endpoint()),
		Region:       Region,
		Credentials:  credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
		UsePathStyle: true,
		// A gateway that is about to start is asked again by the caller.
		RetryMaxAttempts: 1,
	})
}

func createBucket(ctx context.Context, client *s3.Client, bucket string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	var owned *types.BucketAlreadyOwnedByYou
	if errors.As(err, &owned) {
		return nil
	}
	return err
}

// Stop stops the gateway in good order.
func (g *Gateway) Stop() error {
	if g.process == nil {
		return nil
	}
	err := g.process.Stop()
	g.process = nil
	return err
}

// Kill ends the gateway as a power cut would.
func (g *Gateway) Kill() error {
	if g.process == nil {
		return nil
	}
	err := g.process.Kill()
	g.process = nil
	return err
}
