package store_test

import (
	"strings"
	"testing"

	"penstock/tiering/store"
	"penstock/tiering/store/storetest"
)

func TestMemory(t *testing.T) { storetest.Run(t, new(store.Memory)) }

func TestS3ConfigNamesEveryFault(t *testing.T) {
	err := store.S3Config{Endpoint: "127.0.0.1:7070", AccessKey: "a"}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"s3.bucket", "s3.region", `s3.prefix is ""`, `s3.endpoint is "127.0.0.1:7070"`, "s3.secret_key", "s3.attempts is 0"} {
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
