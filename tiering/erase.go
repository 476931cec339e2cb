package tiering

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/store"
)

// Erasure is what an erasure of devices found and did.
type Erasure struct {
	Devices []string `json:"devices"`
	// DryRun: nothing was changed; what is said of rows is what would be erased,
	// and of files which may hold any.
	DryRun bool `json:"dry_run"`
	// Days are those that have, or may have, rows of the devices, oldest first.
	Days []ErasedDay `json:"days"`
	// Rollups are the rollups that are no rows of a device, and keep what its
	// readings added to them.
	Rollups []string `json:"rollups_kept"`
	// GoneBy is when gc may delete the objects that still have the rows: until
	// then, and until gc has run, they exist and nothing lists them.
	GoneBy time.Time `json:"gone_by"`

	matching map[string]bool // paths of files that are not ruled out
}

// ErasedDay is what an erasure found and did of one day.
type ErasedDay struct {
	Day    string `json:"day"`
	Hot    uint64 `json:"rows_hot"`
	Sealed uint64 `json:"rows_sealed"`
	// Cold is how many rows were in files. Unknown, and 0, of a dry run.
	Cold uint64 `json:"rows_cold"`
	// Files is how many files the day has, Matching of how many statistics and
	// bloom filters do not rule out the devices, Rewritten how many held any.
	Files     int `json:"files"`
	Matching  int `json:"files_matching"`
	Rewritten int `json:"files_rewritten"`
	// DroppedAt: the sealed partition holds the rows too, unread, and is dropped
	// whole by the first pass after this. Nil if it holds none.
	DroppedAt *time.Time `json:"dropped_at,omitempty"`
}

// Erase removes every row of the devices that is stored when it begins: hot and
// sealed ones by mutations, which it waits for, cold ones by writing the files
// anew that hold any. When it returns the view shows none of them. It may be
// stopped at any moment; to call it again goes on. Rows that are stored
// meanwhile or later are not its business.
//
// A sealed partition whose rows are in published files is not touched: it would
// no longer be what its generation says was read, which is what its drop is
// decided by. The view reads the files instead, if need be from now on, and the
// drop takes it whole.
//
// Wait is called as long as ClickHouse has parts to rewrite, and told how many; it
// returns when ClickHouse is to be asked again, which is to be well before a lease
// ends, or an error that ends Erase.
//
// The objects that are replaced, and the manifest versions that name the devices
// as the first or last of a file, stay until gc.
func (c *Compactor) Erase(ctx context.Context, devices []string, wait func(ctx context.Context, parts uint64) error) (e Erasure, err error) {
	err = c.underLease(ctx, func(p *pass) error {
		if e, err = p.match(ctx, devices); err != nil {
			return err
		}
		if err := p.notRestored(e); err != nil {
			return err
		}
		if err := p.eraseRows(ctx, &e, wait); err != nil {
			return err
		}
		if err := p.eraseFiles(ctx, &e); err != nil {
			return err
		}
		e.GoneBy = c.now().Add(GCAfter).UTC()
		return p.show(ctx, p.manifests)
	})
	return e, err
}

// PlanErase returns what Erase would look at. It changes nothing.
func (c *Compactor) PlanErase(ctx context.Context, devices []string) (Erasure, error) {
	p := &pass{Compactor: c}
	var err error
	if p.manifests, err = c.catalog.manifests(ctx); err != nil {
		return Erasure{}, err
	}
	e, err := p.match(ctx, devices)
	e.DryRun, e.GoneBy = true, c.now().Add(GCAfter).UTC()
	return e, err
}

// match finds the days that have, or may have, rows of the devices.
func (p *pass) match(ctx context.Context, devices []string) (Erasure, error) {
	e := Erasure{Devices: devices, Days: []ErasedDay{}, Rollups: []string{}, matching: make(map[string]bool)}
	rows, err := p.warehouse.RowsOf(ctx, devices)
	if err != nil {
		return e, err
	}
	days := make(map[schema.Day]ErasedDay)
	for _, part := range rows {
		days[part.Day] = ErasedDay{Hot: part.HotRows, Sealed: part.SealedRows}
	}
	s, err := p.warehouse.Schema(ctx)
	if err != nil {
		return e, err
	}
	for _, day := range daysOf(p.manifests) {
		d := days[day]
		for _, g := range p.manifests[day].Generations {
			d.Files += len(g.Files)
			for _, f := range g.Files {
				if err := p.keepLease(ctx); err != nil {
					return e, err
				}
				may, err := p.mayHold(ctx, s, f, devices)
				if err != nil {
					return e, err
				}
				if may {
					d.Matching++
					e.matching[f.Path] = true
				}
			}
		}
		if d.Matching > 0 || d.Sealed > 0 || d.Hot > 0 {
			if g := p.manifests[day].open(); g != nil && d.Sealed > 0 {
				at := p.now()
				if g.CutOverAt != nil {
					at = *g.CutOverAt
				}
				at = at.Add(p.cfg.Grace).UTC()
				d.DroppedAt = &at
			}
			days[day] = d
		}
	}
	for day, d := range days {
		d.Day = day.String()
		e.Days = append(e.Days, d)
	}
	slices.SortFunc(e.Days, func(a, b ErasedDay) int { return cmp.Compare(a.Day, b.Day) })
	return e, nil
}

// keepLease renews the lease, if this pass has one: a plan has none.
func (p *pass) keepLease(ctx context.Context) error {
	if p.lease == nil {
		return nil
	}
	return p.lease.renew(ctx)
}

// notRestored refuses days that are to be erased from and are restored: a stay
// ends with the proof that the sealed rows are those of the files.
func (p *pass) notRestored(e Erasure) error {
	var faults []error
	for _, d := range e.Days {
		day, err := schema.ParseDay(d.Day)
		if err != nil {
			return err
		}
		if p.manifests[day].restored() {
			faults = append(faults, fmt.Errorf("day %s is restored and may have rows of the devices, nothing is erased; run `compactor release --day %[1]s`, after the grace period `compactor run --once`, and erase again", day))
		}
	}
	return errors.Join(faults...)
}

// mayHold reports whether a file may have rows of the devices: by what the
// manifest says of it, and then by its footer and bloom filters.
func (p *pass) mayHold(ctx context.Context, s *schema.Schema, f File, devices []string) (bool, error) {
	var within []string
	for _, d := range devices {
		if f.MinDevice <= d && d <= f.MaxDevice {
			within = append(within, d)
		}
	}
	if len(within) == 0 {
		return false, nil
	}
	key, columns := p.catalog.key(f.Path), s.Columns()
	device := columns[slices.IndexFunc(columns, func(c schema.Column) bool { return c.Name == s.Device })]
	may, err := archive.MayHold(store.NewReaderAt(ctx, p.catalog.objects, key, f.Bytes), f.Bytes, device, within)
	if err != nil {
		return false, fmt.Errorf("%s: %w; run `compactor verify`", key, err)
	}
	return may, nil
}

// eraseRows deletes what ClickHouse has of the devices, and waits for it.
func (p *pass) eraseRows(ctx context.Context, e *Erasure, wait func(ctx context.Context, parts uint64) error) error {
	var sealed []schema.Day
	for _, d := range e.Days {
		day, err := schema.ParseDay(d.Day)
		if err != nil {
			return err
		}
		switch g := p.manifests[day].open(); {
		case g == nil && d.Sealed > 0:
			sealed = append(sealed, day)
		case g != nil && g.CutOverAt == nil:
			if err := p.cutOver(ctx, day); err != nil {
				return err
			}
		}
	}
	// Proven to be ours now: another that has exported a day meanwhile would find
	// its sealed rows fewer than it read.
	err := p.lease.extend(ctx)
	if err != nil {
		return err
	}
	if e.Rollups, err = p.warehouse.Erase(ctx, e.Devices, sealed); err != nil {
		return err
	}
	for {
		left, err := p.warehouse.Erasing(ctx)
		if err != nil || left == 0 {
			return err
		}
		if err := p.lease.renew(ctx); err != nil {
			return err
		}
		if err := wait(ctx, left); err != nil {
			return err
		}
	}
}

// eraseFiles writes the files anew that hold rows of the devices, a manifest
// version a day.
func (p *pass) eraseFiles(ctx context.Context, e *Erasure) error {
	for i := range e.Days {
		d := &e.Days[i]
		if d.Matching == 0 {
			continue
		}
		day, err := schema.ParseDay(d.Day)
		if err != nil {
			return err
		}
		if err := p.eraseDay(ctx, day, e, d); err != nil {
			return fmt.Errorf("erase from files of %s: %w", day, err)
		}
	}
	return nil
}

// maxParts is more than the files of a generation.
const maxParts = 100_000

func (p *pass) eraseDay(ctx context.Context, day schema.Day, e *Erasure, d *ErasedDay) error {
	s, err := p.warehouse.Schema(ctx)
	if err != nil {
		return err
	}
	next := p.nextManifest(day)
	for i := range next.Generations {
		g := &next.Generations[i]
		before := d.Rewritten
		var files []File
		for part, f := range g.Files {
			if !e.matching[f.Path] {
				files = append(files, f)
				continue
			}
			// Numbered by the fence, so that no file which an erasure before has left
			// is taken for its own: a gc that was frozen with its deletion would delete
			// it when it is listed.
			number := int(p.lease.held.Fence)*maxParts + part
			kept, erased, err := p.eraseFile(ctx, p.rewriting(ctx, s, day, g.Generation, number, []File{f}), e.Devices)
			if err != nil {
				return err
			}
			files = append(files, kept...)
			g.Rows, g.Erased, d.Cold = g.Rows-erased, g.Erased+erased, d.Cold+erased
			if erased > 0 {
				d.Rewritten++
			}
		}
		if d.Rewritten > before {
			g.Files, g.SchemaVersion = append([]File{}, files...), s.Version // [] in JSON, also if none is left
		}
	}
	if d.Rewritten == 0 {
		return nil
	}
	if err := p.lease.renew(ctx); err != nil {
		return err
	}
	return p.publish(ctx, day, next)
}

// eraseFile returns what becomes of the one file of a rewriting: itself, another
// without the rows, which is verified, or none; and how many rows it had.
func (p *pass) eraseFile(ctx context.Context, r *rewriting, devices []string) (files []File, erased uint64, err error) {
	r.omit, r.fileBytes = make(map[string]bool), math.MaxInt64
	for _, d := range devices {
		r.omit[d] = true
	}
	defer r.abandon()
	if err := r.scan(); err != nil {
		return nil, 0, err
	}
	if r.omitted.rows == 0 {
		return r.inputs, 0, nil // the filter was wrong, as one in a hundred is
	}
	if files, err = r.finish(); err != nil {
		return nil, 0, err
	}
	var faults []error
	for _, f := range files {
		if err := p.verifyFile(ctx, r.schema, r.day, f); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", p.catalog.key(f.Path), err))
		}
	}
	return files, r.omitted.rows, errors.Join(faults...)
}
