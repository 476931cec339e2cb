package store_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"penstock/tiering/store"
	"penstock/transport"
)

// recorder is a service that takes every object and keeps the headers of its
// requests, by operation.
type recorder struct {
	*httptest.Server

	mu      sync.Mutex
	headers map[string]http.Header
}

func record(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{headers: map[string]http.Header{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		// A service that answers before it has everything ends the connection.
		_, _ = io.Copy(io.Discard, request.Body)
		query := request.URL.Query()
		what := request.Method
		switch {
		case query.Has("uploads"):
			what = "begin"
		case query.Has("partNumber"):
			what = "part"
		case query.Has("uploadId"):
			what = "complete"
		}
		r.mu.Lock()
		r.headers[what] = request.Header.Clone()
		r.mu.Unlock()
		w.Header().Set("ETag", `"tag"`)
		switch what {
		case http.MethodHead:
			w.WriteHeader(http.StatusNotFound)
		case "begin":
			_, _ = w.Write([]byte("<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>"))
		case "complete":
			_, _ = w.Write([]byte("<CompleteMultipartUploadResult><ETag>tag</ETag></CompleteMultipartUploadResult>"))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) open(t *testing.T, change func(*store.S3Config)) *store.S3 {
	t.Helper()
	c := store.DefaultS3Config()
	c.Endpoint, c.Bucket, c.AccessKey, c.SecretKey = r.URL, "cold", transport.NewSecret("key"), transport.NewSecret("secret")
	change(&c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenS3(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// is fails the test unless a request had these headers; "" is for none.
func (r *recorder) is(t *testing.T, what string, want map[string]string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	got, ok := r.headers[what]
	if !ok {
		t.Errorf("there was no request %s", what)
	}
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s: %s is %q, want %q", what, name, got.Get(name), value)
		}
	}
}

// What the configuration says of encryption, checksums and storage is in the
// requests, and only what it says.
func TestS3Options(t *testing.T) {
	small, large := []byte("hello"), make([]byte, 200<<10)
	f := func(change func(*store.S3Config), body []byte, want map[string]string) {
		t.Helper()
		r := record(t)
		if err := r.open(t, change).Create(t.Context(), "k", bytes.NewReader(body), store.SumBytes(body)); err != nil {
			t.Fatal(err)
		}
		r.is(t, http.MethodPut, want)
	}
	sum := store.SumBytes(small)
	f(func(*store.S3Config) {}, small, map[string]string{
		"If-None-Match": "*", "X-Amz-Meta-Sha256": sum.String(), "X-Amz-Content-Sha256": sum.String(),
		"X-Amz-Checksum-Sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", "X-Amz-Checksum-Crc32c": "", "X-Amz-Checksum-Crc32": "",
		"X-Amz-Server-Side-Encryption": "", "X-Amz-Storage-Class": "",
	})
	f(func(c *store.S3Config) { c.Checksum = "crc32c" }, small, map[string]string{
		"X-Amz-Checksum-Sha256": "", "X-Amz-Checksum-Crc32c": "mnG7TA==", "X-Amz-Content-Sha256": sum.String(),
	})
	f(func(c *store.S3Config) { c.Checksum = "none" }, small, map[string]string{
		"X-Amz-Checksum-Sha256": "", "X-Amz-Checksum-Crc32c": "", "X-Amz-Checksum-Crc32": "", "X-Amz-Sdk-Checksum-Algorithm": "",
		"X-Amz-Content-Sha256": sum.String(), "X-Amz-Meta-Sha256": sum.String(),
	})
	f(func(c *store.S3Config) { c.SSE = "AES256" }, small, map[string]string{"X-Amz-Server-Side-Encryption": "AES256"})
	f(func(c *store.S3Config) { c.SSE = "aws:kms" }, small, map[string]string{
		"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "",
	})
	f(func(c *store.S3Config) { c.SSE, c.KMSKeyID = "aws:kms", "alias/cold" }, small, map[string]string{
		"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/cold",
	})
	f(func(c *store.S3Config) { c.StorageClass = "STANDARD_IA" }, small, map[string]string{"X-Amz-Storage-Class": ""})
	f(func(c *store.S3Config) { c.StorageClass = "STANDARD_IA" }, large, map[string]string{"X-Amz-Storage-Class": "STANDARD_IA"})
}

// An object in parts is encrypted, summed and created under the same condition.
func TestS3OptionsOfParts(t *testing.T) {
	r := record(t)
	s := r.open(t, func(c *store.S3Config) {
		c.PartSize, c.SSE, c.KMSKeyID, c.StorageClass = 5<<20, "aws:kms", "alias/cold", "GLACIER_IR"
	})
	body := make([]byte, 6<<20)
	sum := store.SumBytes(body)
	if err := s.Create(t.Context(), "k", bytes.NewReader(body), sum); err != nil {
		t.Fatal(err)
	}
	r.is(t, "begin", map[string]string{
		"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/cold",
		"X-Amz-Storage-Class": "GLACIER_IR", "X-Amz-Checksum-Algorithm": "SHA256", "X-Amz-Meta-Sha256": sum.String(),
	})
	r.is(t, "complete", map[string]string{"If-None-Match": "*"})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.headers["part"].Get("X-Amz-Checksum-Sha256") == "" {
		t.Error("a part was sent without its checksum")
	}
}

// Without credentials in the configuration they are looked for where the SDK
// does.
func TestS3CredentialChain(t *testing.T) {
	f := func(want string, env map[string]string) {
		t.Helper()
		for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"} {
			t.Setenv(name, env[name])
		}
		t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
		t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
		r := record(t)
		s := r.open(t, func(c *store.S3Config) { c.AccessKey, c.SecretKey = transport.Secret{}, transport.Secret{} })
		if err := s.Create(t.Context(), "k", strings.NewReader(""), store.SumBytes(nil)); err != nil {
			t.Fatal(err)
		}
		r.is(t, http.MethodPut, map[string]string{"X-Amz-Security-Token": env["AWS_SESSION_TOKEN"]})
		if got := r.headers[http.MethodPut].Get("Authorization"); !strings.Contains(got, "Credential="+want+"/") {
			t.Errorf("signed with %s, want %s", got, want)
		}
	}
	f("of-the-environment", map[string]string{"AWS_ACCESS_KEY_ID": "of-the-environment", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "for an hour"})

	file := filepath.Join(t.TempDir(), "credentials")
	text := "[default]\naws_access_key_id = of-the-file\naws_secret_access_key = s\n[other]\naws_access_key_id = of-a-profile\naws_secret_access_key = s\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f("of-the-file", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file})
	f("of-a-profile", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "other"})
}

func TestS3ConfigURL(t *testing.T) {
	f := func(want, endpoint string, pathStyle bool) {
		t.Helper()
		c := store.DefaultS3Config()
		c.Bucket, c.Region, c.PathStyle = "cold", "eu-central-1", pathStyle
		if got, err := c.URL(endpoint, "t/file"); got != want || err != nil {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	f("http://127.0.0.1:7070/cold/penstock/t/file", "http://127.0.0.1:7070", true)
	f("https://cold.s3.example.com/penstock/t/file", "https://s3.example.com", false)
	f("https://s3.eu-central-1.amazonaws.com/cold/penstock/t/file", "", true)
	f("https://cold.s3.eu-central-1.amazonaws.com/penstock/t/file", "", false)
}
