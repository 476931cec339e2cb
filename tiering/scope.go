package tiering

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"penstock/schema"
)

// Scope is what a verification is about.
type Scope struct {
	// Day is the only one to look at; nil for all.
	Day *schema.Day
	// OneIn: one in so many files is read, and of the others only looked at
	// whether the object is there, its size, and the checksum that the store
	// keeps. At most 1 is every file.
	OneIn uint64
	// Turn says which of them. A file's turn comes by its content's hash, so with
	// as many turns in a row as OneIn says every file is read, also when files
	// come and go meanwhile, and no record of it is kept.
	Turn uint64
}

// reads reports whether a file is to be read.
func (s *Scope) reads(f File) bool {
	return s == nil || s.OneIn <= 1 || binary.BigEndian.Uint64(f.SHA256[:])%s.OneIn == s.Turn%s.OneIn
}

// Extent is how much there is of something.
type Extent struct {
	Files int    `json:"files"`
	Rows  uint64 `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Add adds a file.
func (e *Extent) Add(f File) {
	e.Files++
	e.Rows += f.Rows
	e.Bytes += f.Bytes
}

// Extent returns how much the files of a scope are, and how much of that a
// verification reads. Nil is everything.
func (c *Compactor) Extent(ctx context.Context, scope *Scope) (all, read Extent, err error) {
	manifests, err := c.within(ctx, scope)
	if err != nil {
		return all, read, err
	}
	for _, m := range manifests {
		for _, g := range m.Generations {
			for _, f := range g.Files {
				all.Add(f)
				if scope.reads(f) {
					read.Add(f)
				}
			}
		}
	}
	return all, read, nil
}

// Verify reads back the files of a scope, nil for all there are, and compares
// them with the manifests, and what is sealed of their days. It returns the
// manifests and every fault, see [Faults]. It changes nothing and needs no lease.
func (c *Compactor) Verify(ctx context.Context, scope *Scope) ([]*Manifest, error) {
	manifests, err := c.within(ctx, scope)
	if err != nil {
		return nil, err
	}
	s, err := c.warehouse.Schema(ctx)
	if err != nil {
		return nil, err
	}
	var looked []*Manifest
	var faults []error
	for _, day := range daysOf(manifests) {
		m := manifests[day]
		looked = append(looked, m)
		for _, g := range m.Generations {
			faults = append(faults, c.verifySample(ctx, s, day, g, scope))
		}
		faults = append(faults, c.verifySealed(ctx, day, m))
		if ctx.Err() != nil {
			break // every error that follows would be the same
		}
	}
	return looked, errors.Join(faults...)
}

// verifySample verifies the files of a generation that a scope reads, and looks
// at the others.
func (c *Compactor) verifySample(ctx context.Context, s *schema.Schema, day schema.Day, g Generation, scope *Scope) error {
	if err := written(s, day, g); err != nil {
		return err
	}
	var read []File
	var faults []error
	for _, f := range g.Files {
		if scope.reads(f) {
			read = append(read, f)
			continue
		}
		o, err := c.catalog.objects.Head(ctx, c.catalog.key(f.Path))
		faults = append(faults, c.same(day, f, o, err))
	}
	return errors.Join(append(faults, c.verifyFiles(ctx, s, day, read, context.Cause), counts(day, g))...)
}

// verifySealed compares what is sealed of a day with its open generation, or
// with the files if it is restored.
func (c *Compactor) verifySealed(ctx context.Context, day schema.Day, m *Manifest) error {
	g := m.open()
	if g == nil && !m.Restored.shown() {
		return nil
	}
	parts, err := c.warehouse.SealedParts(ctx, day)
	if err != nil {
		return err
	}
	if g == nil {
		if rows := rowsOf(parts); rows != m.Rows() {
			return ofDay(day, NotSealed, "the day is restored; its sealed partition has %d rows, its files %d", rows, m.Rows())
		}
		return nil
	}
	_, strays, err := g.own(day, parts)
	if err == nil && len(strays) > 0 {
		err = ofDay(day, NotSealed, "%d rows were sealed after generation %d was read, by a compactor that had lost the lease; the view shows them again when that is dropped", rowsOf(strays), g.Generation)
	}
	return err
}

// within returns the manifests of a scope's days.
func (c *Compactor) within(ctx context.Context, scope *Scope) (map[schema.Day]*Manifest, error) {
	manifests, err := c.catalog.manifests(ctx)
	if err != nil || scope == nil || scope.Day == nil {
		return manifests, err
	}
	m := manifests[*scope.Day]
	if m == nil {
		return nil, fmt.Errorf("day %s has no manifest under %s", *scope.Day, c.catalog.manifestFolder())
	}
	return map[schema.Day]*Manifest{*scope.Day: m}, nil
}
