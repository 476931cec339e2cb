package store_test

import (
	"errors"
	"strings"
	"testing"

	"penstock/tiering/servicetest"
	"penstock/tiering/store"
)

func openGateway(t *testing.T, configure func(*store.S3Config)) store.Store {
	t.Helper()
	c := servicetest.Gateway(t)
	configure(&c)
	s, err := store.OpenS3(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is wrong with the place is not taken for an empty place, and is said
// with what to do.
func TestS3NamesTheRemedy(t *testing.T) {
	f := func(want string, configure func(*store.S3Config)) {
		t.Helper()
		_, _, err := store.ReadAll(t.Context(), openGateway(t, configure), "lease")
		if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q and is not ErrNotFound", err, want)
		}
	}
	f(`bucket "nowhere" does not exist; create it or correct s3.bucket`, func(c *store.S3Config) { c.Bucket = "nowhere" })
	f("check s3.access_key, s3.secret_key", func(c *store.S3Config) { c.SecretKey = "wrong" })
	f("s3://cold/penstock/lease", func(c *store.S3Config) { c.Endpoint, c.Attempts = "http://127.0.0.1:1", 1 })
}
