package tiering

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/store"
)

// verify reads every file of a generation back from S3 and compares it with
// what was read from ClickHouse when it was written. It finds every fault of
// the generation, not only the first. It calls each before every file, and ends
// with its error. The schema may be of a later version than the files.
func (c *Compactor) verify(ctx context.Context, s *schema.Schema, day schema.Day, g Generation, each func(context.Context) error) error {
	if err := written(s, day, g); err != nil {
		return err
	}
	return errors.Join(c.verifyFiles(ctx, s, day, g.Files, each), counts(day, g))
}

// verifyFiles verifies files of one generation.
func (c *Compactor) verifyFiles(ctx context.Context, s *schema.Schema, day schema.Day, files []File, each func(context.Context) error) error {
	var all Extent
	for _, f := range files {
		all.Add(f)
	}
	var faults []error
	var rows uint64
	for _, f := range files {
		if err := each(ctx); err != nil {
			return errors.Join(append(faults, err)...)
		}
		faults = append(faults, c.verifyFile(ctx, s, day, f))
		rows += f.Rows
		c.events.Verified(day, rows, all.Rows)
	}
	return errors.Join(faults...)
}

// counts compares the numbers of a generation with each other.
func counts(day schema.Day, g Generation) error {
	var rows uint64
	for _, f := range g.Files {
		rows += f.Rows
	}
	var faults []error
	say := func(format string, args ...any) {
		faults = append(faults, ofDay(day, Miscounted, format, args...))
	}
	if rows != g.Rows {
		say("the files of generation %d have %d rows, want %d", g.Generation, rows, g.Rows)
	}
	if g.Rows+g.Duplicates+g.Erased != g.RowsRead {
		say("generation %d: %d rows, %d duplicates and %d erased are not the %d rows read", g.Generation, g.Rows, g.Duplicates, g.Erased, g.RowsRead)
	}
	return errors.Join(faults...)
}

// written reports whether the schema can read what the generation was written
// with.
func written(s *schema.Schema, day schema.Day, g Generation) error {
	if g.SchemaVersion > s.Version {
		return fmt.Errorf("generation %d of %s was written with schema version %d, ClickHouse has %d; run `ingest schema apply` with the schema file of that version", g.Generation, day, g.SchemaVersion, s.Version)
	}
	return nil
}

// fetch calls do with a copy of an object whose bytes are those the manifest
// lists.
func (c *Compactor) fetch(ctx context.Context, day schema.Day, f File, do func(spool *os.File) error) (err error) {
	spool, err := os.CreateTemp(c.cfg.SpoolDir, "penstock-verify-*.parquet")
	if err != nil {
		return fmt.Errorf("spool file: %w; check spool_dir", err)
	}
	defer func() { err = errors.Join(err, removeSpool(spool)) }()

	sum, size, err := store.Copy(ctx, c.catalog.objects, c.catalog.key(f.Path), spool)
	if err := c.same(day, f, store.Object{Size: size, Sum: &sum}, err); err != nil {
		return err
	}
	c.events.FileRead(day, f)
	return do(spool)
}

// same compares what is known of an object, or the error of looking at it, with
// its entry in the manifest.
func (c *Compactor) same(day schema.Day, f File, o store.Object, err error) error {
	found := &Fault{Day: day.String(), File: c.catalog.key(f.Path)}
	switch {
	case errors.Is(err, store.ErrNotFound):
		found.Damage, found.Detail, found.cause = Missing, fmt.Sprintf("object does not exist; the manifest lists it with %d bytes", f.Bytes), err
	case err != nil:
		return fmt.Errorf("%s: %w", found.File, err)
	case o.Size != f.Bytes:
		found.Damage, found.Detail = OtherSize, fmt.Sprintf("the object has %d bytes; the manifest says %d", o.Size, f.Bytes)
	case o.Sum != nil && *o.Sum != f.SHA256:
		found.Damage, found.Detail = OtherBytes, fmt.Sprintf("the object has the SHA-256 %s; the manifest says %s", *o.Sum, f.SHA256)
	default:
		return nil
	}
	return found
}

// verifyFile compares one object with its entry in the manifest: the bytes by
// size and SHA-256, the content by rows and column checksums. Both, since the
// first says nothing about what the writer made of the rows.
func (c *Compactor) verifyFile(ctx context.Context, s *schema.Schema, day schema.Day, f File) error {
	columns, err := f.columns(s)
	if err != nil {
		return err
	}
	return c.fetch(ctx, day, f, func(spool *os.File) error {
		fault := verifyContent(spool, f, columns)
		if fault == nil {
			return nil
		}
		fault.Day, fault.File = day.String(), c.catalog.key(f.Path)
		return fault
	})
}

func verifyContent(spool *os.File, f File, columns []schema.Column) *Fault {
	content, err := archive.Read(spool, f.Bytes, columns)
	if err != nil {
		return &Fault{Damage: Unreadable, Detail: err.Error(), cause: err}
	}
	if content.Rows != f.Rows {
		return &Fault{Damage: OtherRows, Detail: fmt.Sprintf("%d rows read back, %d written", content.Rows, f.Rows)}
	}
	var differ []string
	for i, column := range columns {
		if got, want := content.Sums[i], f.Columns[i].Sum; got != want {
			differ = append(differ, fmt.Sprintf("%s is %s, want %s", column.Name, got, want))
		}
	}
	if len(differ) > 0 {
		return &Fault{Damage: OtherValue, Detail: "the content read back is not what ClickHouse held: checksum of " + strings.Join(differ, "; of ")}
	}
	return nil
}

// blame returns what is wrong with files that could not be read, if anything is:
// ClickHouse's error does not say of which. Otherwise it is that error.
func (c *Compactor) blame(ctx context.Context, day schema.Day, files []File, err error) error {
	var faults []error
	for _, f := range files {
		o, at := c.catalog.objects.Head(ctx, c.catalog.key(f.Path))
		if fault, ok := c.same(day, f, o, at).(*Fault); ok { //nolint:errorlint // same wraps none
			faults = append(faults, fault)
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	return err
}

// Files returns the keys of all files the manifests list, oldest day first:
// what a reader of the cold tier reads.
func (c *Compactor) Files(ctx context.Context) ([]string, error) {
	manifests, err := c.catalog.manifests(ctx)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, day := range daysOf(manifests) {
		keys = append(keys, c.catalog.files(manifests[day])...)
	}
	return keys, nil
}
