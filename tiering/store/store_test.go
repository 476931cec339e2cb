package store_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"penstock/tiering/store"
	"penstock/tiering/store/storetest"
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
	c.Endpoint, c.Bucket, c.AccessKey, c.SecretKey = silent.URL, "cold", "key", "secret"
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
	err := store.S3Config{Endpoint: "127.0.0.1:7070", AccessKey: "a"}.Validate()
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
