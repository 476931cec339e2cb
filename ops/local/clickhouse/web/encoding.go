package web

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// decodeBody undoes the body's Content-Encoding, and within it ClickHouse's own
// compressed frames if framed.
func decodeBody(r *http.Request, framed bool) (io.Reader, error) {
	var body io.Reader = r.Body
	var err error
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	case "br":
		body = brotli.NewReader(body)
	case "lz4":
		body = lz4.NewReader(body)
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1)); err == nil {
			body = d
		}
	default:
		return nil, badRequest("Content-Encoding " + encoding + " is not supported; use gzip, deflate, br, lz4 or zstd")
	}
	if err != nil {
		return nil, badRequest("decode the body: " + err.Error())
	}
	if framed {
		body = newFrameReader(body)
	}
	return body, nil
}

// frameReader decompresses ClickHouse's own frames. compress.Reader fails alike
// where the frames end and where one breaks off; only at the end has it read
// nothing of a frame.
type frameReader struct {
	source io.Reader
	begun  bool // something of a frame was read
	frames *compress.Reader
}

func newFrameReader(source io.Reader) *frameReader {
	f := &frameReader{source: source}
	f.frames = compress.NewReader(readerFunc(func(p []byte) (int, error) {
		n, err := f.source.Read(p)
		f.begun = f.begun || n > 0
		return n, err
	}))
	return f
}

func (f *frameReader) Read(p []byte) (int, error) {
	n, err := f.frames.Read(p)
	switch {
	case err == nil:
		f.begun = false
	case errors.Is(err, io.EOF) && !f.begun:
		err = io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// encoder is a compressing writer that can pass on what it holds.
type encoder interface {
	io.WriteCloser
	Flush() error
}

// encodeAnswer chooses among the encodings a client accepts, the cheapest
// first, and returns its name; empty for none.
func encodeAnswer(w io.Writer, accept string) (encoder, string, error) {
	for _, name := range []string{"lz4", "zstd", "gzip", "deflate", "br"} {
		if !accepts(accept, name) {
			continue
		}
		switch name {
		case "lz4":
			return lz4.NewWriter(w), name, nil
		case "zstd":
			z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
			return z, name, err
		case "gzip":
			z, err := gzip.NewWriterLevel(w, flate.BestSpeed)
			return z, name, err
		case "deflate":
			z, err := zlib.NewWriterLevel(w, flate.BestSpeed)
			return z, name, err
		case "br":
			return brotli.NewWriterLevel(w, brotli.BestSpeed), name, nil
		}
	}
	return nil, "", nil
}

func accepts(header, name string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), name) {
			return true
		}
	}
	return false
}

// frameWriter writes ClickHouse's own compressed frames.
type frameWriter struct {
	w     io.Writer
	frame *compress.Writer
}

func newFrameWriter(w io.Writer, method string) *frameWriter {
	m := compress.LZ4
	if strings.EqualFold(method, "ZSTD") {
		m = compress.ZSTD
	}
	return &frameWriter{w, compress.NewWriter(compress.LevelZero, m)}
}

// maxFrame is the most a server puts into a frame; some clients hold it to that.
const maxFrame = 1 << 20

func (f *frameWriter) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		part := p[:min(len(p), maxFrame)]
		if err := f.frame.Compress(part); err != nil {
			return n, err
		}
		if _, err := f.w.Write(f.frame.Data); err != nil {
			return n, err
		}
		n, p = n+len(part), p[len(part):]
	}
	return n, nil
}

func (f *frameWriter) Flush() error { return nil }
func (f *frameWriter) Close() error { return nil }
