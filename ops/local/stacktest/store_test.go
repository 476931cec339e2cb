package stacktest

import (
	"errors"
	"strings"
	"testing"

	"penstock/ops/local/s3/weather"
	"penstock/tiering/store"
	"penstock/tiering/store/storetest"
	"penstock/transport"
)

func testS3Store(t *testing.T, e coldTier) {
	storetest.Run(t, openS3(t, e.bucket))
	t.Run("sweep", func(t *testing.T) { storetest.Sweep(t, openS3(t, e.bucket)) })
}

// The gateway as a service whose answers cannot be relied upon.
func testS3Weather(t *testing.T, e coldTier) { weather.Run(t, e.bucket) }

func openS3(t *testing.T, c store.S3Config) *store.S3 {
	t.Helper()
	s, err := store.OpenS3(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is wrong with the place is not taken for an empty place, and is said
// with what to do.
func testS3NamesTheRemedy(t *testing.T, e coldTier) {
	f := func(want string, change func(*store.S3Config)) {
		t.Helper()
		c := e.bucket
		change(&c)
		_, _, err := store.ReadAll(t.Context(), openS3(t, c), "lease")
		if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q and is not ErrNotFound", err, want)
		}
	}
	f(`bucket "nowhere" does not exist; create it or correct s3.bucket`, func(c *store.S3Config) { c.Bucket = "nowhere" })
	f("check s3.access_key, s3.secret_key", func(c *store.S3Config) { c.SecretKey = transport.NewSecret("wrong") })
	f("s3://"+e.bucket.Bucket+"/"+e.bucket.Prefix+"/lease", func(c *store.S3Config) { c.Endpoint, c.Attempts = "http://127.0.0.1:1", 1 })
}
