package native

import (
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/transport"
	"penstock/transport/transporttest"
)

// doorman is a server that knows nobody: it notes the password that it is told, and
// turns away whoever told it.
func doorman(t *testing.T, l net.Listener, told chan<- string) {
	t.Helper()
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			_, _ = hello(conn, told), conn.Close() // the client knows better
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
}

func hello(conn net.Conn, told chan<- string) error {
	in := proto.NewReader(conn)
	if _, err := in.UVarInt(); err != nil { // that it is a hello
		return err
	}
	var who proto.ClientHello
	if err := who.Decode(in); err != nil {
		return err
	}
	told <- who.Password
	var out proto.Buffer
	proto.ServerCodeException.Encode(&out)
	(&proto.Exception{Code: proto.ErrAuthenticationFailed, Name: "DB::Exception", Message: "node: Authentication failed"}).EncodeAware(&out, 0)
	_, err := conn.Write(out.Buf)
	return err
}

// Both libraries get in by the same settings, and read a password and a certificate
// anew with each connection.
func TestLogin(t *testing.T) {
	authority, dir := transporttest.NewAuthority(t, "authority"), t.TempDir()
	file := func(name string, text []byte) string { return transporttest.Write(t, filepath.Join(dir, name), text) }
	server, client := authority.Sign(t, "server", time.Hour, "127.0.0.1"), authority.Sign(t, "node", time.Hour)
	ca := file("ca.pem", authority.PEM())
	cfg, err := transport.ServerTLS{CertFile: file("server.pem", server.Cert), KeyFile: file("server.key", server.Key), ClientCAFile: ca}.ServerConfig(tls.RequireAndVerifyClientCert)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 100)
	doorman(t, l, told)

	login := Default()
	login.User, login.Password = "node", transport.SecretFile(file("password", []byte("one\n")))
	login.TLS = transport.TLS{Enabled: true, Certificates: transport.Certificates{CAFile: ca, CertFile: file("node.pem", client.Cert), KeyFile: file("node.key", client.Key)}}
	conn, err := clickhouse.Open(login.Options(l.Addr().String(), "default"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	ways := map[string]func(Login) error{
		"ch-go": func(l2 Login) error {
			c, err := l2.Dial(t.Context(), ch.Options{Address: l.Addr().String()})
			if err == nil {
				err = errors.Join(errors.New("it is let in"), c.Close())
			}
			return err
		},
		"clickhouse-go": func(Login) error { return conn.Ping(t.Context()) },
	}
	for way, get := range ways {
		for _, password := range []string{"one", "two"} {
			file("password", []byte(password+"\n"))
			err := get(login)
			var refused *transport.Refused
			if !errors.As(err, &refused) || !refused.Renewable || !strings.Contains(err.Error(), "correct clickhouse.user and clickhouse.password") {
				t.Errorf("%s: %v", way, err)
			}
			select {
			case got := <-told:
				if got != password {
					t.Errorf("%s told %q; want %q", way, got, password)
				}
			default:
				t.Errorf("%s told no password", way)
			}
		}
	}

	login.TLS.CAFile = ""
	err = ways["ch-go"](login)
	var refused *transport.Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "into clickhouse.tls.ca_file") {
		t.Errorf("a server of nobody's: %v", err)
	}
	login.TLS.CAFile = ca
	login.Password = transport.SecretFile(filepath.Join(dir, "nowhere"))
	if err := ways["ch-go"](login); errors.As(err, &refused) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a password that is about to be there: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	err := Login{TLS: transport.TLS{Enabled: true, Certificates: transport.Certificates{KeyFile: "k"}}, Password: transport.SecretFile("nowhere")}.Validate()
	for _, want := range []string{"clickhouse.user is empty", "clickhouse.dial_timeout is 0s", "clickhouse.password_file cannot be used", `clickhouse.tls.key_file "k"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
