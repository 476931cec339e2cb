package ops

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops/settings"
	"penstock/pipeline"
)

// serve starts an admin server at a free port; it is stopped, and has to have
// ended well, at the end of the test.
func serve(t *testing.T, cfg Config, g prometheus.Gatherer, ready func() []string) *Admin {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	a, err := NewAdmin(cfg, g, ready, map[string]http.Handler{"GET /lag": Streams{{Name: "fleet", Lag: NewLag(slog.New(slog.DiscardHandler))}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.Serve(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the admin server ended with %v", err)
		}
	})
	return a
}

func get(t *testing.T, a *Admin, path string) (status int, body string) {
	t.Helper()
	resp, err := http.Get("http://" + a.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestAdmin(t *testing.T) {
	reg := prometheus.NewRegistry()
	NewMetrics(reg).PipelineEvents(pipeline.Default(), NewLag(slog.New(slog.DiscardHandler))).Inserted(pipeline.Inserted{Rows: 7})
	var problems []string
	a := serve(t, Default(), reg, func() []string { return problems })
	f := func(path string, status int, want string) {
		t.Helper()
		got, body := get(t, a, path)
		if got != status || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %.300s, want %d with %q", path, got, body, status, want)
		}
	}
	f("/metrics", 200, "\npenstock_ingest_stored_rows_total 7\n")
	f("/metrics", 200, "\ngo_goroutines ")
	f("/healthz", 200, "ok\n")
	f("/readyz", 200, "ok\n")
	f("/lag", 200, "0 records to do")
	f("/debug/pprof/", 404, "")
	problems = []string{"insert has been failing for 1m", "commit too"}
	f("/readyz", 503, "insert has been failing for 1m\ncommit too\n")
	f("/healthz", 200, "ok\n") // restarting it would not help

	resp, err := http.Post("http://"+a.Addr()+"/metrics", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %d", resp.StatusCode)
	}
}

func TestAdminProfiles(t *testing.T) {
	a := serve(t, Config{Pprof: true}, prometheus.NewRegistry(), nil)
	if status, body := get(t, a, "/debug/pprof/goroutine?debug=1"); status != 200 || !strings.Contains(body, "goroutine profile:") {
		t.Errorf("got %d %.200s", status, body)
	}
	if status, _ := get(t, a, "/readyz"); status != 200 {
		t.Errorf("ready after %d", status)
	}
}

// TestAdminDoesNotWait: a request that does not end holds a stop up for the
// bound only.
func TestAdminDoesNotWait(t *testing.T) {
	hangs, release := make(chan struct{}), make(chan struct{})
	a, err := NewAdmin(Config{Addr: "127.0.0.1:0"}, prometheus.NewRegistry(), func() []string { close(hangs); <-release; return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended, answered := make(chan error, 1), make(chan error, 1)
	go func() { ended <- a.Serve(ctx) }()
	go func() {
		client := http.Client{Timeout: 5 * closeTimeout} // so that the test fails, not hangs
		resp, err := client.Get("http://" + a.Addr() + "/readyz")
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	<-hangs
	stop()
	began := time.Now()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < closeTimeout || took > 2*closeTimeout {
		t.Errorf("stopped after %v, want %v", took, closeTimeout)
	}
	if err := <-answered; err == nil || os.IsTimeout(err) {
		t.Errorf("the request was answered or left hanging: %v", err)
	}
	close(release)
}

// The page answers until the work is over, also after ctx has ended.
func TestAdminDuring(t *testing.T) {
	a, err := NewAdmin(Config{Addr: "127.0.0.1:0"}, prometheus.NewRegistry(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	failed := errors.New("the work failed")
	err = a.During(ctx, func() error {
		stop()
		if status, _ := get(t, a, "/healthz"); status != http.StatusOK {
			t.Errorf("while stopping: status %d", status)
		}
		http.DefaultClient.CloseIdleConnections()
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if conn, err := net.Dial("tcp", a.Addr()); err == nil {
		t.Errorf("it listens after the work: %v", conn.Close())
	}
}

func TestAdminAddress(t *testing.T) {
	a := serve(t, Config{}, prometheus.NewRegistry(), nil)
	_, err := NewAdmin(Config{Addr: a.Addr()}, prometheus.NewRegistry(), nil, nil)
	if err == nil || !strings.Contains(err.Error(), a.Addr()) || !strings.Contains(err.Error(), "set admin.addr") {
		t.Errorf("an address that is taken: got %v", err)
	}
	none, err := NewAdmin(Config{}, prometheus.NewRegistry(), nil, nil)
	if err != nil || none.Addr() != "" {
		t.Fatalf("without an address: got %q, %v", none.Addr(), err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := none.Serve(ctx); err != nil {
		t.Error(err)
	}
}

// TestConfig: the sections as programs have them, through the loader that
// fills them; the faults name the keys there.
func TestConfig(t *testing.T) {
	type program struct {
		Admin Config    `koanf:"admin"`
		Log   LogConfig `koanf:"log"`
	}
	f := func(set, want string) {
		t.Helper()
		p := program{Admin: Default(), Log: DefaultLog()}
		if err := settings.Load(&p, settings.Sources{Set: strings.Fields(set)}); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, err := range []error{p.Admin.Validate("admin.addr"), p.Log.Validate()} {
			if err != nil {
				got += err.Error() + "\n"
			}
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", set, got, want)
		}
	}
	f("", "")
	f("admin.addr=", "")
	f("admin.addr=127.0.0.2:9464 admin.pprof=true log.level=debug log.format=json", "")
	f("admin.addr=:9464 admin.token=sesame", "")
	f("admin.addr=:9464", `admin.addr is ":9464", which others than this machine reach; set admin.token_file`)
	f("admin.addr=10.0.0.7:9464 admin.open=/healthz", `admin.addr is "10.0.0.7:9464", which others`)
	f("admin.addr=ingest-1:9464", `admin.addr is "ingest-1:9464", which others`)
	f("admin.open=healthz", `admin.open has "healthz"; want paths such as /healthz`)
	f("admin.tls.client_ca_file=ca.pem", "admin.tls.client_ca_file is")
	f("admin.addr=9464", `admin.addr is "9464"; want host:port`)
	f("admin.unready_after=0s", "admin.unready_after is 0s; want")
	f("admin.addr=x admin.unready_after=-1s", "admin.addr is \"x\"; want host:port such as localhost:9464, :9464 for all addresses, or nothing for no admin server\nadmin.unready_after is -1s")
	f("log.format=xml", `log.format is "xml"; want text or json`)
}
