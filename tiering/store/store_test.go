package store_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"penstock/tiering/store"
	"penstock/tiering/store/storetest"
	"penstock/transport"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, new(store.Memory))
	t.Run("sweep", func(t *testing.T) { storetest.Sweep(t, new(store.Memory)) })
}

// A service that takes a request and never answers is given up.
func TestS3GivesUpASilentService(t *testing.T) {
	released := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	defer silent.Close()
	defer close(released)
	c := store.DefaultS3Config()
	c.Endpoint, c.Bucket, c.AccessKey, c.SecretKey = silent.URL, "cold", transport.NewSecret("key"), transport.NewSecret("secret")
	c.Attempts, c.AnswerTimeout = 1, 20*time.Millisecond
	s, err := store.OpenS3(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Get(t.Context(), "lease.json")
	if err == nil || !strings.Contains(err.Error(), "get s3://cold/penstock/lease.json") || !strings.Contains(err.Error(), "timeout awaiting response headers") {
		t.Errorf("got %v, want the object and what was waited for", err)
	}
}

func TestS3ConfigNamesEveryFault(t *testing.T) {
	err := store.S3Config{Endpoint: "127.0.0.1:7070", AccessKey: transport.NewSecret("a")}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"s3.bucket", "s3.region", `s3.prefix is ""`, `s3.endpoint is "127.0.0.1:7070"`, "s3.secret_key", "s3.attempts is 0", "s3.answer_timeout is 0s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}
	good := store.DefaultS3Config()
	good.Bucket = "b"
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

// Whatever prints, logs or encodes a configuration, the secret is not in it.
func TestS3ConfigHidesItsSecret(t *testing.T) {
	c := store.DefaultS3Config()
	c.Bucket, c.AccessKey, c.SecretKey = "cold", transport.NewSecret("key"), transport.NewSecret("very secret")
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("config", "s3", c, "outer", struct{ S3 store.S3Config }{c})
	slog.New(slog.NewTextHandler(&logged, nil)).Info("config", "s3", c)
	encoded, err := json.Marshal(map[string]any{"s3": c, "pointer": &c})
	if err != nil {
		t.Fatal(err)
	}
	outer := struct{ S3 store.S3Config }{c}
	for _, text := range []string{
		fmt.Sprint(c), fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%+v %#v", outer, &outer), logged.String(), string(encoded),
	} {
		if strings.Contains(text, "very secret") || !strings.Contains(text, "cold") {
			t.Errorf("it reads %s; want the bucket and no secret", text)
		}
	}
}

func TestS3ConfigOptions(t *testing.T) {
	f := func(want string, change func(*store.S3Config)) {
		t.Helper()
		c := store.DefaultS3Config()
		c.Bucket = "b"
		change(&c)
		err := c.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("", func(c *store.S3Config) { c.SSE, c.KMSKeyID = "aws:kms", "alias/cold" })
	f("", func(c *store.S3Config) { c.SSE = "aws:kms" })
	f(`s3.kms_key_id is "k" and s3.sse "AES256"`, func(c *store.S3Config) { c.SSE, c.KMSKeyID = "AES256", "k" })
	f(`s3.sse is "kms"; want one of none, AES256, aws:kms`, func(c *store.S3Config) { c.SSE = "kms" })
	f(`s3.checksum is "md5"`, func(c *store.S3Config) { c.Checksum = "md5" })
	f("", func(c *store.S3Config) { c.StorageClass = "GLACIER_IR" })
	f(`s3.storage_class is "GLACIER"`, func(c *store.S3Config) { c.StorageClass = "GLACIER" })
	f("s3.part_size is 1048576", func(c *store.S3Config) { c.PartSize = 1 << 20 })
	f("s3.parallel_parts is 0", func(c *store.S3Config) { c.ParallelParts = 0 })
	f("s3.max_backoff is 0s", func(c *store.S3Config) { c.MaxBackoff = 0 })
}
