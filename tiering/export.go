package tiering

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"penstock/failpoint"
	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/store"
)

// export writes the sealed partition as the day's next generation, verifies it
// and publishes it.
func (p *pass) export(ctx context.Context, s Step) error {
	if err := p.apart(func() error { return p.undisturbed(ctx, s.Day) }); err != nil {
		return err
	}
	parts, err := p.warehouse.SealedParts(ctx, s.Day)
	if err != nil {
		return err
	}
	counted := rowsOf(parts)
	// Asked for now, when nothing is inserted into the sealed partition any
	// more: it has every column that a row of it was stored with.
	known, err := p.known(ctx)
	if err != nil {
		return err
	}
	e := &exporter{pass: p, ctx: ctx, schema: known, day: s.Day, generation: s.Generation, fileBytes: p.cfg.FileBytes, total: counted}
	defer e.abandon()
	m := p.manifests[s.Day]
	err = p.apart(func() error {
		if err := p.warehouse.ScanSealed(ctx, known, s.Day, p.catalog.files(m), e.block); err != nil {
			return p.blame(ctx, s.Day, m.files(), err)
		}
		return e.store()
	})
	if err != nil {
		return err
	}
	if e.read != counted {
		return ofDay(s.Day, NotSealed, "read %d rows of a sealed partition that counts %d; a sealed partition does not change: find who does, then run again", e.read, counted)
	}
	g := Generation{
		Generation: s.Generation, SchemaVersion: known.Version,
		RowsRead: e.read, Rows: e.read - e.duplicates, Duplicates: e.duplicates, LastBlock: lastBlock(parts),
		Files: append([]File{}, e.files...), // [] in JSON, also if every row is known
	}
	failpoint.At("verify.before")
	if err := p.apart(func() error { return p.verify(ctx, known, s.Day, g, p.lease.renew) }); err != nil {
		return err
	}
	failpoint.At("verify.after")
	if err := p.lease.renew(ctx); err != nil {
		return err
	}
	// Looked at once more: what came while this read would be shown no more
	// from the cut-over on.
	if parts, err = p.warehouse.SealedParts(ctx, s.Day); err != nil {
		return err
	}
	if _, strays, err := g.own(s.Day, parts); err != nil {
		return err
	} else if len(strays) > 0 {
		return fmt.Errorf("%d rows more were sealed while the day was exported, by another compactor that was stopped and went on; the next pass exports them with the others", rowsOf(strays))
	}
	next := p.nextManifest(s.Day)
	g.PublishedAt = next.Written
	next.add(g)
	failpoint.At("publish.before")
	if err := p.publish(ctx, s.Day, next); err != nil {
		return err
	}
	failpoint.At("publish.after")
	return nil
}

// undisturbed waits for deletions that an erasure has begun and not seen the end
// of. What they would take from the day later is in its files then, and the
// sealed partition no longer what its drop is decided by.
func (p *pass) undisturbed(ctx context.Context, day schema.Day) error {
	for told := false; ; told = true {
		deleting, err := p.warehouse.Deleting(ctx)
		if err != nil || !deleting {
			return err
		}
		if !told {
			p.events.Yielded(day, "deletions in the sealed table are not through")
		}
		if err := p.rest(ctx); err != nil {
			return err
		}
	}
}

// exporter turns the blocks of a scan into files. Rows come in a total order,
// so the same partition makes the same files every time.
type exporter struct {
	*pass
	ctx        context.Context // of the one scan it serves
	schema     *schema.Schema
	day        schema.Day
	generation int
	firstPart  int   // number of its first file in the generation
	fileBytes  int64 // ends a file
	total      uint64

	read, duplicates uint64
	identity, last   []byte // of this row and of the one before, in any block
	files            []File
	asked            time.Time // when ClickHouse was last asked whether it is busy,
	busy             bool      // and whether it was

	// The open file. The spool is nil between files, and then so is the writer.
	spool  *os.File
	hash   hash.Hash
	writer *archive.Writer
	runs   []archive.Run // of the current block
}

// block writes one block, without the rows whose identity an earlier generation
// has, and those that repeat the identity of the row before. A resend carries
// the device, time and identity of the original and so stands next to it; the
// order puts the lower offset first, and that one stays.
//
// An earlier generation can have a row because the device sent it once more a
// month later, or because a node of the pipeline came back after the day was
// dropped, found no receipt of what it had stored, and stored it again.
func (e *exporter) block(b *archive.Block, known []bool) error {
	if err := e.lease.renew(e.ctx); err != nil {
		return err
	}
	if err := e.pay(e.ctx, b.Bytes()); err != nil {
		return err
	}
	if err := e.yield(e.ctx); err != nil {
		return err
	}
	e.runs = e.runs[:0]
	from := 0
	for i := range b.Rows() {
		e.identity = b.AppendIdentity(e.identity[:0], i)
		e.read++
		if known[i] || e.read > 1 && bytes.Equal(e.identity, e.last) {
			e.duplicates++
			e.keep(from, i)
			from = i + 1
			continue
		}
		e.identity, e.last = e.last, e.identity
	}
	e.keep(from, b.Rows())
	if err := e.write(b, e.runs); err != nil {
		return err
	}
	e.events.Exporting(e.day, e.read, e.total)
	return nil
}

func (e *exporter) keep(from, to int) {
	if from < to {
		e.runs = append(e.runs, archive.Run{From: from, To: to})
	}
}

// write writes runs of rows to files, each of which ends with the row group that
// reaches fileBytes.
func (e *exporter) write(b *archive.Block, runs []archive.Run) (err error) {
	for len(runs) > 0 {
		if e.writer == nil {
			if e.spool, err = os.CreateTemp(e.cfg.SpoolDir, "penstock-export-*.parquet"); err != nil {
				return fmt.Errorf("spool file: %w; check spool_dir", err)
			}
			e.hash = sha256.New()
			e.writer = archive.NewWriter(io.MultiWriter(e.spool, e.hash), e.schema, rowGroupRows(e.cfg.RowGroupRows, e.total))
		}
		if runs, err = e.writer.Write(b, runs); err != nil {
			return err
		}
		if e.writer.Bytes() >= e.fileBytes {
			if err := e.store(); err != nil {
				return err
			}
		}
	}
	return nil
}

// A row group of a small day is a share of it: whoever asks for one device fetches
// a row group of each column at least, and ClickHouse of all between those it
// needs too. Of fewer rows it is not worth its own dictionaries and statistics.
const (
	rowGroupShare = 28
	rowGroupLeast = 25_000
)

// rowGroupRows returns how many rows a row group has at most, where total are
// written and the configuration says no more than this.
func rowGroupRows(most int, total uint64) int {
	return min(most, max(rowGroupLeast, int(total/rowGroupShare)))
}

// store closes the open file and puts it on S3.
func (e *exporter) store() error {
	if e.writer == nil {
		return nil
	}
	summary, err := e.writer.Close()
	if err != nil {
		return err
	}
	size, err := e.spool.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("spool file: %w", err)
	}
	if _, err := e.spool.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("spool file: %w", err)
	}
	sum := store.Checksum(e.hash.Sum(nil))
	f := fileOf(filePath(e.day, e.generation, e.firstPart+len(e.files), sum), size, sum, e.schema, summary)
	if err := store.CreateSame(e.ctx, e.catalog.objects, e.catalog.key(f.Path), e.spool, sum); err != nil {
		return err
	}
	e.files = append(e.files, f)
	e.events.FileStored(e.day, f)
	failpoint.At("file.after")
	return e.removeSpool()
}

// abandon removes what an export that failed leaves on the local disk.
func (e *exporter) abandon() {
	if e.spool != nil {
		// The export has failed already; a file that cannot be removed from the
		// folder for temporary files adds nothing to that.
		_ = e.removeSpool()
	}
}

func (e *exporter) removeSpool() error {
	spool := e.spool
	e.spool, e.writer = nil, nil
	return removeSpool(spool)
}

func removeSpool(f *os.File) error {
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("remove spool file: %w", err)
	}
	return nil
}
