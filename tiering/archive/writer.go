package archive

import (
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"penstock/schema"
)

// Summary is what is known of a file's rows.
type Summary struct {
	Rows uint64
	// MinTime and MaxTime bound the events' own times, in milliseconds since
	// 1970 UTC; MinDevice and MaxDevice the devices.
	MinTime, MaxTime     int64
	MinDevice, MaxDevice string
	Sums                 Sums
}

// pageBytes bounds a data page. A page is what a reader with the page index
// skips or reads: small pages let a query for one device read little, each
// costs some 30 bytes a column in the index.
const pageBytes = 64 << 10

// Writer writes one Parquet file. Rows have to come in the order of device and
// time, which the file claims in its metadata.
type Writer struct {
	file    *pqarrow.FileWriter
	schema  *arrow.Schema
	summary Summary
}

// NewWriter starts a file. A row group holds rowGroupRows rows and is kept in
// memory, encoded and compressed, until it is full: some 50 bytes a row.
func NewWriter(w io.Writer, s *schema.Schema, rowGroupRows int) (*Writer, error) {
	arrowSchema := s.Arrow()
	sorting := []parquet.SortingColumn{
		{ColumnIdx: int32(arrowSchema.FieldIndices(s.Device)[0])},
		{ColumnIdx: int32(arrowSchema.FieldIndices(s.Time.Field)[0])},
	}
	options := []parquet.WriterProperty{
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithCreatedBy("penstock"),
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithMaxRowGroupLength(int64(rowGroupRows)),
		parquet.WithDataPageSize(pageBytes),
		parquet.WithStats(true),
		parquet.WithPageIndexEnabled(true),
		parquet.WithSortingColumns(sorting),
		// Adaptive: the number of devices in a row group is not known before.
		// The smallest filter that serves is kept, of ten from 2 KiB to 1 MiB.
		parquet.WithAdaptiveBloomFilterEnabledFor(s.Device, true),
		parquet.WithBloomFilterCandidatesFor(s.Device, 10),
		parquet.WithBloomFilterEnabledFor(s.Device, true),
	}
	for _, c := range s.Columns() {
		switch c.Type {
		case schema.Int64, schema.UInt64, schema.TimestampMS:
			// Sequence numbers, offsets and times grow by little from row to
			// row and hardly repeat: a dictionary of them would hold them all.
			options = append(options, parquet.WithDictionaryFor(c.Name, false), parquet.WithEncodingFor(c.Name, parquet.Encodings.DeltaBinaryPacked))
		}
	}
	file, err := pqarrow.NewFileWriter(arrowSchema, w, parquet.NewWriterProperties(options...), pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, fmt.Errorf("start Parquet file of %s: %w", s.Name, err)
	}
	return &Writer{file: file, schema: arrowSchema, summary: Summary{
		MinTime: math.MaxInt64, MaxTime: math.MinInt64, Sums: make(Sums, arrowSchema.NumFields()),
	}}, nil
}

// Write appends the rows of b in runs.
func (w *Writer) Write(b *Block, runs []Run) error {
	record, err := b.record(w.schema, runs)
	if err != nil {
		return err
	}
	defer record.Release()
	if err := w.file.WriteBuffered(record); err != nil {
		return fmt.Errorf("write %d rows to Parquet after %d: %w", record.NumRows(), w.summary.Rows, err)
	}
	w.summary.Sums.Add(b.Sums(runs))
	for _, r := range runs {
		w.note(b, r)
	}
	return nil
}

func (w *Writer) note(b *Block, r Run) {
	if r.Len() == 0 {
		return
	}
	if w.summary.Rows == 0 {
		w.summary.MinDevice = b.Device(r.From)
	}
	w.summary.MaxDevice = b.Device(r.To - 1)
	w.summary.Rows += uint64(r.Len())
	for i := r.From; i < r.To; i++ {
		w.summary.MinTime = min(w.summary.MinTime, b.Time(i))
		w.summary.MaxTime = max(w.summary.MaxTime, b.Time(i))
	}
}

// Rows returns the number of rows written so far.
func (w *Writer) Rows() uint64 { return w.summary.Rows }

// Close writes the footer and returns what the file holds. It does not close
// the underlying writer.
func (w *Writer) Close() (Summary, error) {
	if err := w.file.Close(); err != nil {
		return Summary{}, fmt.Errorf("finish Parquet file of %d rows: %w", w.summary.Rows, err)
	}
	return w.summary, nil
}
