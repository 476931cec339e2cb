package enrich

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"penstock/schema"
)

// polled is a source that is read as a whole, again and again.
type polled struct {
	every time.Duration
	// read returns what is told, or nil if that is what the call before returned.
	read func(ctx context.Context) (*told, error)
}

// firstRetry is how soon a source is read again that has never been read: a node
// waits for it.
const firstRetry = time.Second

func (p *polled) check(ctx context.Context) (*told, error) { return p.read(ctx) }

func (p *polled) follow(ctx context.Context, put func(*told, time.Duration), fail func(error)) {
	known := false
	for {
		began := time.Now()
		t, err := p.read(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			fail(err)
		default:
			known = true
			put(t, time.Since(began))
		}
		wait := p.every
		if !known {
			wait = min(wait, firstRetry)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// file is a list of devices in a file.
type file struct {
	path   string
	schema *schema.Schema
	seen   os.FileInfo // of what was read last; nil for none
}

func (f *file) read(ctx context.Context) (_ *told, err error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	// Another file of the same name, size and time is another file.
	if f.seen != nil && os.SameFile(info, f.seen) && info.Size() == f.seen.Size() && info.ModTime().Equal(f.seen.ModTime()) {
		return nil, nil //nolint:nilnil // nothing changed, which is no error
	}
	t := newTold(f.schema)
	if filepath.Ext(f.path) == ".csv" {
		err = readCSV(ctx, in, t)
	} else {
		err = readLines(ctx, in, t)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	f.seen = info
	return t, nil
}

func readCSV(ctx context.Context, in io.Reader, t *told) error {
	r := csv.NewReader(bufio.NewReaderSize(in, 1<<16))
	r.ReuseRecord = true
	names, err := r.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty; want a line that names the columns")
	} else if err != nil {
		return err
	}
	c, err := t.header(names)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		values, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err // it says the line
		}
		line, _ := r.FieldPos(0)
		c.row(fmt.Sprintf("line %d", line), values)
	}
	return context.Cause(ctx)
}

// maxLine bounds a line of an NDJSON file.
const maxLine = 1 << 20

func readLines(ctx context.Context, in io.Reader, t *told) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for n := 1; ctx.Err() == nil && lines.Scan(); n++ {
		if len(lines.Bytes()) > 0 {
			t.object(fmt.Sprintf("line %d", n), nil, lines.Bytes())
		}
	}
	return errors.Join(context.Cause(ctx), lines.Err())
}
