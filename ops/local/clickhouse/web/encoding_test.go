package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What an encoder writes is what a body in that encoding reads as.
func TestEncodings(t *testing.T) {
	text := strings.Repeat("a row of some length\n", 100_000)
	for _, name := range []string{"lz4", "zstd", "gzip", "deflate", "br"} {
		var wire bytes.Buffer
		e, got, err := encodeAnswer(&wire, "x, "+name+";q=1")
		if err != nil || got != name {
			t.Fatalf("%s: chose %q: %v", name, got, err)
		}
		if _, err := io.WriteString(e, text); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/", &wire)
		r.Header.Set("Content-Encoding", name)
		body, err := decodeBody(r, false)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if back, err := io.ReadAll(body); err != nil || string(back) != text {
			t.Errorf("%s: %d bytes came back of %d: %v", name, len(back), len(text), err)
		}
	}
	if e, name, err := encodeAnswer(io.Discard, "sdch, *"); e != nil || name != "" || err != nil {
		t.Errorf("an encoding nobody asked for: %q", name)
	}
}

// ClickHouse's own frames end between two of them and nowhere else.
func TestFrames(t *testing.T) {
	text := strings.Repeat("a row of some length\n", 200_000)
	for _, method := range []string{"LZ4", "zstd"} {
		var wire bytes.Buffer
		if _, err := io.WriteString(newFrameWriter(&wire, method), text); err != nil {
			t.Fatal(err)
		}
		f := func(cut int) error {
			back, err := io.ReadAll(newFrameReader(bytes.NewReader(wire.Bytes()[:wire.Len()-cut])))
			if err == nil && string(back) != text {
				t.Errorf("%s cut by %d: %d bytes of %d and no error", method, cut, len(back), len(text))
			}
			return err
		}
		if err := f(0); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		for cut := 1; cut < 100; cut += 7 {
			if err := f(cut); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s cut by %d: %v, want an unexpected end", method, cut, err)
			}
		}
	}
}
