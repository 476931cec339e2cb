package faultproxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// service answers every request with the same body and keeps what it was sent.
type service struct {
	server *httptest.Server

	mu  sync.Mutex
	got []string
}

const said = "what the service says"

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.got = append(s.got, fmt.Sprintf("%s %s %s %q whole=%t", r.Method, r.Host, r.URL.RequestURI(), body, err == nil))
	s.mu.Unlock()
	w.Header().Set("ETag", "tag")
	_, _ = io.WriteString(w, said)
}

func (s *service) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func listen(t *testing.T) (*Proxy, *service) {
	t.Helper()
	s := &service{}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	p, err := Listen(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, s
}

// put sends a request of its own connection: one that was reset would else be
// tried again by the client.
func put(p *Proxy, key, body string) (status int, answer string, err error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequest(http.MethodPut, p.Endpoint()+"/bucket/"+key+"?x=%2F", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	out, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer out.Body.Close() //nolint:errcheck // read
	got, err := io.ReadAll(out.Body)
	return out.StatusCode, string(got), err
}

func TestFaults(t *testing.T) {
	f := func(fault Fault, wantStatus int, wantAnswer string, wantErr bool, arrives int) {
		t.Helper()
		p, s := listen(t)
		hit := p.Inject(Rule{Key: "k", Fault: fault})
		status, answer, err := put(p, "k", "body")
		if status != wantStatus || !strings.Contains(answer, wantAnswer) || (err != nil) != wantErr {
			t.Errorf("%v: status %d, answer %q, error %v; want %d, %q, %t", fault, status, answer, err, wantStatus, wantAnswer, wantErr)
		}
		if got := s.received(); len(got) != arrives {
			t.Errorf("%v: the service got %q, want %d requests", fault, got, arrives)
		}
		if hit.Hits() != 1 {
			t.Errorf("%v: %d hits, want 1", fault, hit.Hits())
		}
	}
	f(Fault{}, 200, said, false, 1)
	f(Refuse(503, "SlowDown"), 503, "<Code>SlowDown</Code>", false, 0)
	f(AnswerOtherwise(500, "InternalError"), 500, "<Code>InternalError</Code>", false, 1)
	f(LoseAnswer(), 0, "", true, 1)
	f(Reset(), 0, "", true, 0)
	f(Truncate(4), 200, "what", true, 1)
	f(Flip(1), 200, "wiat the service says", false, 1)
	f(Delay(time.Millisecond), 200, said, false, 1)
	f(DelayAnswer(time.Millisecond), 200, said, false, 1)
}

// A request arrives as it was sent, the host's name and escapes included: they
// are signed.
func TestPassesRequestsAsTheyAre(t *testing.T) {
	p, s := listen(t)
	if _, _, err := put(p, "a/b=c%20d", "body"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`PUT %s /bucket/a/b=c%%20d?x=%%2F "body" whole=true`, strings.TrimPrefix(p.Endpoint(), "http://"))
	if got := s.received(); len(got) != 1 || got[0] != want {
		t.Errorf("the service got %q, want %q", got, want)
	}
}

// Of an upload that is cut the service sees the beginning, and that it is not
// the whole.
func TestCutUpload(t *testing.T) {
	p, s := listen(t)
	hit := p.Inject(Rule{Fault: CutUpload(3)})
	if status, _, err := put(p, "k", strings.Repeat("body", 100_000)); err == nil {
		t.Errorf("answered with %d", status)
	}
	s.server.Close() // it may be at it still
	for _, got := range s.received() {
		if strings.Contains(got, "whole=true") {
			t.Errorf("the service got %q", got)
		}
	}
	if hit.Hits() != 1 {
		t.Errorf("%d hits, want 1", hit.Hits())
	}
}

// What hangs ends with the client, and with the proxy.
func TestHanging(t *testing.T) {
	p, _ := listen(t)
	p.Inject(Rule{Key: "hangs", Fault: DelayAnswer(time.Hour)})
	p.Inject(Rule{Key: "stalls", Fault: Stall(4)})
	client := http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 20 * time.Millisecond}}
	answer, err := client.Get(p.Endpoint() + "/bucket/hangs")
	if err == nil {
		t.Fatal(answer.Body.Close(), "it was answered")
	}
	if !strings.Contains(err.Error(), "timeout awaiting response headers") {
		t.Error(err)
	}

	client.Timeout = 200 * time.Millisecond
	if answer, err = client.Get(p.Endpoint() + "/bucket/stalls"); err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read
	if got, err := io.ReadAll(answer.Body); string(got) != "what" || err == nil || !strings.Contains(err.Error(), "Client.Timeout") {
		t.Errorf("got %q, %v; want 4 bytes and then nothing", got, err)
	}
}

func TestRules(t *testing.T) {
	p, _ := listen(t)
	third := p.Inject(Rule{Operation: PutObject, Key: "lease", Skip: 2, Times: 1, Fault: Refuse(409, "ConditionalRequestConflict")})
	never := p.Inject(Rule{Operation: GetObject, Fault: Reset()})
	all := p.Inject(Rule{Key: "lease", Fault: Refuse(503, "SlowDown")})
	var got []int
	for range 4 {
		status, _, err := put(p, "a/lease.json", "")
		got = append(got, status)
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{503, 503, 409, 503}; !slices.Equal(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
	if third.Hits() != 1 || never.Hits() != 0 || all.Hits() != 4 {
		t.Errorf("hits %d, %d and %d; want 1, 0 and 4", third.Hits(), never.Hits(), all.Hits())
	}
	p.Heal()
	if status, _, err := put(p, "a/lease.json", ""); status != 200 || err != nil {
		t.Errorf("healed: %d, %v", status, err)
	}
	if n := p.Seen()[PutObject]; n != 5 {
		t.Errorf("%d requests seen, want 5", n)
	}
}

func TestOperation(t *testing.T) {
	f := func(method, target string, op Operation, key string) {
		t.Helper()
		gotOp, gotKey := operation(httptest.NewRequest(method, target, nil))
		if gotOp != op || gotKey != key {
			t.Errorf("%s %s is %s of %q, want %s of %q", method, target, gotOp, gotKey, op, key)
		}
	}
	f("PUT", "/b/a/k?x-id=PutObject", PutObject, "a/k")
	f("PUT", "/b/k?partNumber=1&uploadId=u", UploadPart, "k")
	f("GET", "/b/k", GetObject, "k")
	f("GET", "/b/k?uploadId=u", ListParts, "k")
	f("HEAD", "/b/k", HeadObject, "k")
	f("DELETE", "/b/k", DeleteObject, "k")
	f("DELETE", "/b/k?uploadId=u", AbortMultipartUpload, "k")
	f("POST", "/b/k?uploads", CreateMultipartUpload, "k")
	f("POST", "/b/k?uploadId=u", CompleteMultipartUpload, "k")
	f("GET", "/b?list-type=2&prefix=p%2F", ListObjectsV2, "p/")
	f("GET", "/b/?uploads&prefix=p", ListMultipartUploads, "p")
	f("PUT", "/b", Other, "")
	f("POST", "/b/k?restore", Other, "k")
}

func TestListenNamesABadURL(t *testing.T) {
	if _, err := Listen("http://[bad"); err == nil || !strings.Contains(err.Error(), "http://[bad") {
		t.Errorf("got %v", err)
	}
}
