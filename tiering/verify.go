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
	var faults []error
	var rows uint64
	for _, f := range g.Files {
		if err := each(ctx); err != nil {
			return err
		}
		if err := c.verifyFile(ctx, s, day, f); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.catalog.key(f.Path), err))
		}
		rows += f.Rows
		c.events.Verified(day, rows, g.Rows)
	}
	if rows != g.Rows {
		faults = append(faults, fmt.Errorf("the files of generation %d have %d rows, want %d", g.Generation, rows, g.Rows))
	}
	if g.Rows+g.Duplicates+g.Erased != g.RowsRead {
		faults = append(faults, fmt.Errorf("generation %d: %d rows, %d duplicates and %d erased are not the %d rows read", g.Generation, g.Rows, g.Duplicates, g.Erased, g.RowsRead))
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
	if err != nil {
		return err
	}
	if size != f.Bytes || sum != f.SHA256 {
		return fmt.Errorf("the object has %d bytes with SHA-256 %s; the manifest says %d and %s", size, sum, f.Bytes, f.SHA256)
	}
	c.events.FileRead(day, f)
	return do(spool)
}

// verifyFile compares one object with its entry in the manifest: the bytes by
// size and SHA-256, the content by rows and column checksums. Both, since the
// first says nothing about what the writer made of the rows.
func (c *Compactor) verifyFile(ctx context.Context, s *schema.Schema, day schema.Day, f File) error {
	columns, err := f.columns(s)
	if err != nil {
		return err
	}
	return c.fetch(ctx, day, f, func(spool *os.File) error { return verifyContent(spool, f, columns) })
}

func verifyContent(spool *os.File, f File, columns []schema.Column) error {
	content, err := archive.Read(spool, f.Bytes, columns)
	if err != nil {
		return err
	}
	if content.Rows != f.Rows {
		return fmt.Errorf("%d rows read back, %d written", content.Rows, f.Rows)
	}
	var differ []string
	for i, column := range columns {
		if got, want := content.Sums[i], f.Columns[i].Sum; got != want {
			differ = append(differ, fmt.Sprintf("%s is %s, want %s", column.Name, got, want))
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("the content read back is not what ClickHouse held: checksum of %s", strings.Join(differ, "; of "))
	}
	return nil
}

// Verify reads back all files of the days that have a manifest, or of the one
// day, and where a sealed partition still exists compares its count. It
// returns the manifests and every fault.
func (c *Compactor) Verify(ctx context.Context, only *schema.Day) ([]*Manifest, error) {
	manifests, err := c.catalog.manifests(ctx)
	if err != nil {
		return nil, err
	}
	if only != nil && manifests[*only] == nil {
		return nil, fmt.Errorf("day %s has no manifest under %s", *only, c.catalog.manifestFolder())
	}
	s, err := c.warehouse.Schema(ctx)
	if err != nil {
		return nil, err
	}
	var read []*Manifest
	var faults []error
	for _, day := range daysOf(manifests) {
		if only != nil && *only != day {
			continue
		}
		m := manifests[day]
		read = append(read, m)
		for _, g := range m.Generations {
			faults = append(faults, c.verify(ctx, s, day, g, context.Cause))
		}
		if g := m.open(); g != nil {
			faults = append(faults, c.verifySealed(ctx, day, *g))
		}
	}
	return read, errors.Join(faults...)
}

// verifySealed compares what is sealed of the day with its open generation.
func (c *Compactor) verifySealed(ctx context.Context, day schema.Day, g Generation) error {
	parts, err := c.warehouse.SealedParts(ctx, day)
	if err != nil {
		return err
	}
	_, strays, err := g.own(parts)
	if err == nil && len(strays) > 0 {
		err = fmt.Errorf("%d rows were sealed after generation %d was read, by a compactor that had lost the lease; the view shows them again when that is dropped", rowsOf(strays), g.Generation)
	}
	if err != nil {
		return fmt.Errorf("day %s: %w", day, err)
	}
	return nil
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
