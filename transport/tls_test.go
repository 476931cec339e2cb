package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/transport/transporttest"
)

// files are a server's and a client's, as an operator lays them out.
type files struct {
	t      *testing.T
	client TLS
	server ServerTLS
	told   []Reload
}

// layOut writes files of one authority for both sides, in a folder of their own:
// what is kept is kept by name.
func layOut(t *testing.T, authority *transporttest.Authority) *files {
	t.Helper()
	dir := t.TempDir()
	f := &files{
		t:      t,
		client: TLS{Enabled: true, Certificates: Certificates{CAFile: filepath.Join(dir, "ca"), CertFile: filepath.Join(dir, "client.crt"), KeyFile: filepath.Join(dir, "client.key")}},
		server: ServerTLS{ClientCAFile: filepath.Join(dir, "clients.ca"), CertFile: filepath.Join(dir, "server.crt"), KeyFile: filepath.Join(dir, "server.key")},
	}
	transporttest.Write(t, f.client.CAFile, authority.PEM())
	transporttest.Write(t, f.server.ClientCAFile, authority.PEM())
	f.pair(f.client.CertFile, f.client.KeyFile, authority.Sign(t, "client 1", time.Hour))
	f.pair(f.server.CertFile, f.server.KeyFile, authority.Sign(t, "server 1", time.Hour, "server.test"))
	Notify(func(r Reload) { f.told = append(f.told, r) })
	t.Cleanup(func() { Notify(nil) })
	return f
}

func (f *files) pair(cert, key string, p transporttest.Pair) {
	f.t.Helper()
	transporttest.Write(f.t, cert, p.Cert)
	transporttest.Write(f.t, key, p.Key)
}

// meet has client and server shake hands over a pipe, and returns who each says
// it saw, or what keeps the client from hearing the server.
func (f *files) meet(cfg *tls.Config) (client, server string, err error) {
	f.t.Helper()
	here, there := net.Pipe()
	for _, end := range []net.Conn{here, there} { // has no buffer: both might be writing
		if err := end.SetDeadline(time.Now().Add(time.Second)); err != nil {
			f.t.Fatal(err)
		}
	}
	served := make(chan string, 1)
	go func() {
		conn := tls.Server(there, cfg)
		if conn.Handshake() == nil {
			if shown := conn.ConnectionState().PeerCertificates; len(shown) > 0 {
				served <- shown[0].Subject.CommonName
			} else {
				served <- "nobody"
			}
			_, _ = conn.Write([]byte("!"))
		} else {
			served <- ""
		}
		_ = there.Close()
	}()
	mine, err := f.client.ClientConfig("server.test")
	if err != nil {
		f.t.Fatal(err)
	}
	conn := tls.Client(here, mine)
	_, err = io.ReadAll(conn)
	if shown := conn.ConnectionState().PeerCertificates; err == nil {
		server = shown[0].Subject.CommonName
	}
	return <-served, server, errors.Join(err, here.Close())
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := transporttest.NewAuthority(t, "first"), transporttest.NewAuthority(t, "second")
		f := layOut(t, first)
		cfg, err := f.server.ServerConfig(tls.RequireAndVerifyClientCert)
		if err != nil {
			t.Fatal(err)
		}
		met := func(what, wantClient, wantServer string) {
			t.Helper()
			time.Sleep(lookEvery)
			if client, server, err := f.meet(cfg); err != nil || client != wantClient || server != wantServer {
				t.Errorf("%s: the server saw %q and the client %q, %v", what, client, server, err)
			}
		}
		tellings := func(want int, says string) {
			t.Helper()
			said := ""
			if n := len(f.told); n > 0 && f.told[n-1].Err != nil {
				said = f.told[n-1].Err.Error()
			}
			if len(f.told) != want || (said == "") != (says == "") || !strings.Contains(said, says) {
				t.Errorf("told of %+v; want %d, the last with %q", f.told, want, says)
			}
		}
		met("at first", "client 1", "server 1")
		tellings(0, "")

		f.pair(f.client.CertFile, f.client.KeyFile, first.Sign(t, "client 2", time.Hour))
		met("another certificate of the client", "client 2", "server 1")
		tellings(1, "")

		half := first.Sign(t, "server 2", time.Hour, "server.test")
		transporttest.Write(t, f.server.CertFile, half.Cert)
		met("half a pair", "client 2", "server 1")
		met("half a pair, still", "client 2", "server 1")
		tellings(2, "does not match")
		transporttest.Write(t, f.server.KeyFile, half.Key)
		met("the other half", "client 2", "server 2")
		tellings(3, "")

		both := append(first.PEM(), second.PEM()...)
		transporttest.Write(t, f.client.CAFile, both[:len(both)-100])
		f.pair(f.server.CertFile, f.server.KeyFile, second.Sign(t, "server 3", time.Hour, "server.test"))
		time.Sleep(lookEvery)
		if _, _, err := f.meet(cfg); err == nil || !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("half of the second authority is trusted: %v", err)
		}
		transporttest.Write(t, f.client.CAFile, both)
		met("both authorities", "client 2", "server 3")

		if err := os.Remove(f.client.CAFile); err != nil {
			t.Fatal(err)
		}
		met("no authorities any more", "client 2", "server 3")
		if last := f.told[len(f.told)-1]; !errors.Is(last.Err, os.ErrNotExist) {
			t.Errorf("told of %v", last)
		}

		transporttest.Write(t, f.server.ClientCAFile, second.PEM())
		time.Sleep(lookEvery)
		if client, _, err := f.meet(cfg); client != "" || err == nil {
			t.Errorf("a client of an authority that was withdrawn is let in: %q, %v", client, err)
		}
	})
}

// A mounted secret is a link to a folder behind a link, and only that link changes.
func TestReloadOfLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		authority := transporttest.NewAuthority(t, "authority")
		f := layOut(t, authority)
		dir := t.TempDir()
		for _, version := range []string{"one", "two"} {
			if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
				t.Fatal(err)
			}
			f.pair(filepath.Join(dir, version, "tls.crt"), filepath.Join(dir, version, "tls.key"), authority.Sign(t, version, time.Hour))
		}
		link := func(to, name string) {
			t.Helper()
			if err := errors.Join(os.Symlink(to, name+".new"), os.Rename(name+".new", name)); err != nil {
				t.Fatal(err)
			}
		}
		data := filepath.Join(dir, "..data")
		link("one", data)
		f.client.CertFile, f.client.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		link(filepath.Join("..data", "tls.crt"), f.client.CertFile)
		link(filepath.Join("..data", "tls.key"), f.client.KeyFile)
		cfg, err := f.server.ServerConfig(tls.RequireAndVerifyClientCert)
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range []string{"one", "two"} {
			link(version, data)
			time.Sleep(lookEvery)
			if client, _, err := f.meet(cfg); err != nil || client != version {
				t.Errorf("the server saw %q, %v; want %q", client, err, version)
			}
		}
	})
}

func TestDistrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := transporttest.NewAuthority(t, "ours"), transporttest.NewAuthority(t, "theirs")
		f := func(name string, change func(*files), want string) {
			t.Helper()
			files := layOut(t, ours)
			change(files)
			cfg, err := files.server.ServerConfig(tls.RequireAndVerifyClientCert)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = files.meet(cfg)
			var refused *Refused
			if err := Explain("kafka.tls", err); !errors.As(err, &refused) || !refused.Renewable || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want a remedy with %q", name, err, want)
			}
		}
		f("another authority's server", func(f *files) {
			f.pair(f.server.CertFile, f.server.KeyFile, theirs.Sign(t, "server", time.Hour, "server.test"))
		}, "into kafka.tls.ca_file")
		f("another server", func(f *files) {
			f.pair(f.server.CertFile, f.server.KeyFile, ours.Sign(t, "server", time.Hour, "other.test"))
		}, "set kafka.tls.server_name")
		f("a name that was asked for", func(f *files) { f.client.ServerName = "other.test" }, "set kafka.tls.server_name")
		f("an old server", func(f *files) {
			f.pair(f.server.CertFile, f.server.KeyFile, ours.Sign(t, "server", -time.Minute, "server.test"))
		}, "renew the server's certificate")
		f("another authority's client", func(f *files) {
			f.pair(f.client.CertFile, f.client.KeyFile, theirs.Sign(t, "client", time.Hour))
		}, "have kafka.tls.cert_file signed")
		f("an old client", func(f *files) {
			f.pair(f.client.CertFile, f.client.KeyFile, ours.Sign(t, "client", -time.Minute))
		}, "kafka.tls.cert_file")
		f("no certificate", func(f *files) { f.client.CertFile, f.client.KeyFile = "", "" }, "set kafka.tls.cert_file")
	})
	for _, err := range []error{io.EOF, context.DeadlineExceeded, &net.OpError{Op: "dial", Err: errors.New("connection refused")}} {
		var refused *Refused
		if same := Explain("kafka.tls", err); errors.As(same, &refused) || same.Error() != err.Error() {
			t.Errorf("%v has a remedy: %v", err, same)
		}
	}
}

func TestDial(t *testing.T) {
	authority := transporttest.NewAuthority(t, "authority")
	files := layOut(t, authority)
	files.pair(files.server.CertFile, files.server.KeyFile, authority.Sign(t, "server", time.Hour, "127.0.0.1"))
	cfg, err := files.server.ServerConfig(tls.RequireAndVerifyClientCert)
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, serve func(net.Conn) net.Conn, client TLS, want string) {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() {
			conn, err := l.Accept()
			if err == nil {
				_, err = serve(conn).Write([]byte("hello"))
				err = errors.Join(err, conn.Close())
			}
			served <- err
		}()
		conn, err := client.DialContext(t.Context(), "tcp", l.Addr().String())
		var said []byte
		if err == nil {
			said, err = io.ReadAll(conn)
			err = errors.Join(err, conn.Close())
		}
		err = Explain("clickhouse.tls", err)
		if failed := <-served; (failed == nil) != (err == nil) && want == "" {
			t.Errorf("%s: served, but %v", name, failed)
		}
		if got := string(said); want == "" && (err != nil || got != "hello") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	plain := func(c net.Conn) net.Conn { return c }
	secured := func(c net.Conn) net.Conn { return tls.Server(c, cfg) }
	f("TLS to an address", secured, files.client, "")
	f("without TLS", plain, TLS{}, "")
	f("TLS to a server without", plain, files.client, "set clickhouse.tls.enabled to false")
	stranger := layOut(t, authority)
	f("no certificate", secured, TLS{Enabled: true, Certificates: Certificates{CAFile: stranger.client.CAFile}}, "set clickhouse.tls.cert_file and clickhouse.tls.key_file")
	stranger.client.CAFile = ""
	f("the system's authorities", secured, stranger.client, "into clickhouse.tls.ca_file")
}

// A client that shows no certificate may be let in for the paths that are open.
func TestCertificateIfGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := layOut(t, transporttest.NewAuthority(t, "authority"))
		cfg, err := f.server.ServerConfig(tls.VerifyClientCertIfGiven)
		if err != nil {
			t.Fatal(err)
		}
		if client, _, err := f.meet(cfg); err != nil || client != "client 1" {
			t.Errorf("with a certificate: %q, %v", client, err)
		}
		f.client.CertFile, f.client.KeyFile = "", ""
		if client, _, err := f.meet(cfg); err != nil || client != "nobody" {
			t.Errorf("without one: %q, %v", client, err)
		}
	})
}

func TestValidate(t *testing.T) {
	files := layOut(t, transporttest.NewAuthority(t, "authority"))
	f := func(err error, want string) {
		t.Helper()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	c, s := files.client, files.server
	f(TLS{}.Validate("kafka.tls"), "")
	f(c.Validate("kafka.tls"), "")
	f(TLS{Enabled: true}.Validate("kafka.tls"), "")
	f(TLS{Certificates: Certificates{CAFile: c.CAFile}}.Validate("kafka.tls"), "kafka.tls.enabled is false, and other settings of kafka.tls would not be used")
	f(TLS{Enabled: true, Certificates: Certificates{CertFile: c.CertFile}}.Validate("kafka.tls"), "set both or neither")
	f(TLS{Enabled: true, Certificates: Certificates{CAFile: "nowhere"}}.Validate("kafka.tls"), "nowhere: no such file")
	f(TLS{Enabled: true, Certificates: Certificates{CAFile: c.KeyFile}}.Validate("kafka.tls"), "has no certificate in PEM")
	f(TLS{Enabled: true, Certificates: Certificates{CertFile: c.CertFile, KeyFile: s.KeyFile}}.Validate("kafka.tls"), "does not match")
	f(ServerTLS{}.Validate("admin.tls"), "")
	f(s.Validate("admin.tls"), "")
	f(ServerTLS{CertFile: s.CertFile}.Validate("admin.tls"), "set both or neither")
	f(ServerTLS{ClientCAFile: s.ClientCAFile}.Validate("admin.tls"), "set admin.tls.cert_file and admin.tls.key_file")
	f(ServerTLS{CertFile: "nowhere", KeyFile: s.KeyFile}.Validate("admin.tls"), "nowhere: no such file")
}
