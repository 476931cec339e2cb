package tiering

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"penstock/schema"
	"penstock/tiering/archive"
)

// rewriting turns files of the cold tier into others that hold the same rows,
// but for those of the devices that are left out. It is an export whose rows
// come from files, and it is proven on both sides: what was read is held against
// the manifest's checksums, file by file, and what was written against what was
// read. Being sums they add up whatever files the rows go to.
//
// A file of an older version of the schema is read as the view shows it, so its
// rows get the columns that came later. Those are not compared with the file,
// which lacks them; extra, which they are taken from, is.
type rewriting struct {
	*exporter
	inputs []File
	// omit has the devices whose rows are not written.
	omit map[string]bool

	scanned []content // of each input
	omitted content
	of      [][]archive.Run // the current block's rows of each input
	without []archive.Run   // and those that are left out
	leave   []bool
	device  string // of the row before
	leaving bool   // and whether it is left out
}

// content is what rows are known by.
type content struct {
	rows uint64
	sums archive.Sums
}

func (c *content) add(b *archive.Block, runs []archive.Run) {
	if len(runs) == 0 {
		return
	}
	for _, r := range runs {
		c.rows += uint64(r.Len())
	}
	c.sums.Add(b.Sums(runs))
}

// rewriting returns one of these files into files of a generation, the first of
// them with this number. It returns what is to be finished or abandoned.
func (p *pass) rewriting(ctx context.Context, s *schema.Schema, day schema.Day, generation, firstPart int, inputs []File) *rewriting {
	columns := len(s.Columns())
	r := &rewriting{
		exporter: &exporter{pass: p, ctx: ctx, schema: s, day: day, generation: generation, firstPart: firstPart, fileBytes: p.cfg.FileBytes},
		inputs:   inputs, scanned: make([]content, len(inputs)), of: make([][]archive.Run, len(inputs)),
		omitted: content{sums: make(archive.Sums, columns)},
	}
	for i, f := range inputs {
		r.total += f.Rows
		r.scanned[i].sums = make(archive.Sums, columns)
	}
	return r
}

// scan reads the inputs and writes what is kept. Its last file is not stored yet.
func (r *rewriting) scan() error {
	keys := make([]string, len(r.inputs))
	for i, f := range r.inputs {
		keys[i] = r.catalog.key(f.Path)
	}
	if err := r.warehouse.ScanFiles(r.ctx, r.schema, keys, r.block); err != nil {
		return r.blame(r.ctx, r.day, r.inputs, err)
	}
	var faults []error
	for i, f := range r.inputs {
		faults = append(faults, r.compare(f, r.scanned[i]))
	}
	return errors.Join(faults...)
}

func (r *rewriting) block(b *archive.Block, from []uint32) error {
	for i := range r.of {
		r.of[i] = r.of[i][:0]
	}
	r.without, r.leave = r.without[:0], r.leave[:0]
	for row := range b.Rows() {
		r.of[from[row]] = extend(r.of[from[row]], row)
		// Rows come by device, so most are asked for once.
		if d := b.Device(row); row == 0 || d != r.device {
			r.device, r.leaving = d, r.omit[d]
		}
		r.leave = append(r.leave, r.leaving)
		if r.leaving {
			r.without = extend(r.without, row)
		}
	}
	for i, runs := range r.of {
		r.scanned[i].add(b, runs)
	}
	r.omitted.add(b, r.without)
	return r.exporter.block(b, r.leave)
}

// extend adds a row to runs of rows below it.
func extend(runs []archive.Run, row int) []archive.Run {
	if last := len(runs) - 1; last >= 0 && runs[last].To == row {
		runs[last].To++
		return runs
	}
	return append(runs, archive.Run{From: row, To: row + 1})
}

// compare holds what was read of a file against the manifest.
func (r *rewriting) compare(f File, got content) error {
	columns, err := f.columns(r.schema)
	if err != nil {
		return fmt.Errorf("%s: %w", r.catalog.key(f.Path), err)
	}
	fault := func(damage Damage, format string, args ...any) error {
		return &Fault{Day: r.day.String(), File: r.catalog.key(f.Path), Damage: damage, Detail: fmt.Sprintf(format, args...)}
	}
	if got.rows != f.Rows {
		return fault(OtherRows, "read %d rows, the manifest says %d; run `compactor verify`", got.rows, f.Rows)
	}
	all := r.schema.Columns()
	for i, c := range columns {
		at := slices.IndexFunc(all, func(a schema.Column) bool { return a.ID == c.ID })
		if sum := got.sums[at]; sum != f.Columns[i].Sum {
			return fault(OtherValue, "read as rows whose checksum of %s is %s, the manifest says %s; run `compactor verify`", c.Name, sum, f.Columns[i].Sum)
		}
	}
	return nil
}

// finish stores the last file and returns the files, whose rows are proven to be
// those that were read and are not left out.
func (r *rewriting) finish() ([]File, error) {
	if err := r.store(); err != nil {
		return nil, err
	}
	want := content{sums: make(archive.Sums, len(r.schema.Columns()))}
	for _, c := range r.scanned {
		want.rows += c.rows
		want.sums.Add(c.sums)
	}
	got := content{rows: r.omitted.rows, sums: slices.Clone(r.omitted.sums)}
	for _, f := range r.files {
		got.rows += f.Rows
		for i, c := range f.Columns {
			got.sums[i] += c.Sum
		}
	}
	if got.rows != want.rows || !slices.Equal(got.sums, want.sums) {
		return nil, ofDay(r.day, Miscounted, "%d rows of %d files became %d rows in %d and %d that are left out: a file repeats the identity of a row of another, which no export writes; "+
			"nothing is published: find out how it came there, or leave the day as it is with a higher merge_generations",
			want.rows, len(r.inputs), got.rows-r.omitted.rows, len(r.files), r.omitted.rows)
	}
	return append([]File{}, r.files...), nil // [] in JSON, also if every row is left out
}
