package archive

import (
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
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

const (
	// createdBy is in the metadata of every file. The number grows with each
	// change of what the same rows are written as.
	createdBy = "penstock version 2"
	// pageRows is how many rows a page has, of every column: what a query skips
	// of one by its index it skips of all. Smaller: a query of one device reads
	// less. Larger: less of what each page costs, some 100 bytes.
	pageRows = 20_000
	// pageBytes is about what a page of long strings has, with fewer rows.
	pageBytes = 1 << 20
	// groupTextBytes ends a row group of long strings before its rows do: the
	// writer and whoever reads it keep them in memory.
	groupTextBytes = 256 << 20
	// statisticsBytes is the longest least or greatest value that a page or a
	// row group has. No device's name is that long; the JSON of extra is.
	statisticsBytes = 256
)

// Writer writes one Parquet file. Rows have to come in the order of device and
// time, which the file claims in its metadata.
//
// It collects a row group's rows by column and then writes one column after the
// other, with arrow-go. How a column is encoded is decided by the file's first
// row group. So the same rows make the same bytes, in whatever blocks they come.
type Writer struct {
	to             io.Writer
	schema         *schema.Schema
	groupRows      int
	groupTextBytes int // of the constant of that name

	file      *file.Writer // nil before the first row group is full
	encodings []columnEncoding
	scratch   scratch

	// The open row group.
	chunks    []chunk
	rows      int
	textBytes int

	summary Summary
}

// NewWriter starts a file. A row group holds rowGroupRows rows, or fewer if their
// strings are long, and is kept in memory until it is full: some 250 bytes a row.
func NewWriter(w io.Writer, s *schema.Schema, rowGroupRows int) *Writer {
	return &Writer{to: w, schema: s, groupRows: rowGroupRows, groupTextBytes: groupTextBytes, summary: Summary{
		MinTime: math.MaxInt64, MaxTime: math.MinInt64, Sums: make(Sums, len(s.Columns())),
	}}
}

// Write appends rows of b until its runs end or a row group is full, and returns
// the runs that are left.
func (w *Writer) Write(b *Block, runs []Run) ([]Run, error) {
	if w.chunks == nil {
		for _, v := range b.vectors {
			w.chunks = append(w.chunks, v.newChunk())
		}
	}
	now, later, full := w.fit(b, runs)
	for i, v := range b.vectors {
		v.appendTo(w.chunks[i], now)
	}
	w.summary.Sums.Add(b.Sums(now))
	for _, r := range now {
		w.rows += r.Len()
		if r.Len() > 0 {
			w.note(b, r)
		}
	}
	if !full {
		return later, nil
	}
	return later, w.endGroup()
}

// fit parts runs into what the open row group has room for and the rest, and
// tells whether it is full then.
func (w *Writer) fit(b *Block, runs []Run) (now, later []Run, full bool) {
	room, bytes := w.groupRows-w.rows, w.textBytes
	for i, r := range runs {
		rows := min(r.Len(), room)
		size := b.textBytes(Run{r.From, r.From + rows})
		if bytes+size >= w.groupTextBytes {
			// By the row: a limit that counted whole blocks would depend on them.
			for rows, size = 0, 0; bytes+size < w.groupTextBytes; rows++ {
				size = b.textBytes(Run{r.From, r.From + rows + 1})
			}
		}
		room, bytes = room-rows, bytes+size
		if room == 0 || bytes >= w.groupTextBytes {
			now = append(now, Run{r.From, r.From + rows})
			if rows < r.Len() {
				later = append(later, Run{r.From + rows, r.To})
			}
			return now, append(later, runs[i+1:]...), true
		}
		now = append(now, r)
	}
	w.textBytes = bytes
	return now, nil, false
}

func (w *Writer) note(b *Block, r Run) {
	if w.summary.Rows == 0 {
		w.summary.MinDevice = b.Device(r.From)
	}
	w.summary.MaxDevice = b.Device(r.To - 1)
	w.summary.Rows += uint64(r.Len())
	for _, t := range b.time.data()[r.From:r.To] {
		w.summary.MinTime = min(w.summary.MinTime, t)
		w.summary.MaxTime = max(w.summary.MaxTime, t)
	}
}

// endGroup writes the open row group.
func (w *Writer) endGroup() (err error) {
	if w.file == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	group, err := w.file.AppendRowGroupChecked()
	if err != nil {
		return fmt.Errorf("begin row group of %d rows: %w", w.rows, err)
	}
	for i, c := range w.chunks {
		column, err := group.NextColumn()
		if err == nil {
			err = c.write(column, w.encodings[i], &w.scratch)
		}
		if err == nil {
			err = column.Close()
		}
		if err != nil {
			return fmt.Errorf("write %d rows of column %s to Parquet: %w", w.rows, w.schema.Columns()[i].Name, err)
		}
	}
	if err := group.Close(); err != nil {
		return fmt.Errorf("end row group of %d rows: %w", w.rows, err)
	}
	w.rows, w.textBytes = 0, 0
	return nil
}

// begin opens the file, with encodings that suit the open row group.
func (w *Writer) begin() error {
	arrowSchema := w.schema.Arrow()
	options := []parquet.WriterProperty{
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithCreatedBy(createdBy),
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDictionaryDefault(false),
		// How large pages and dictionaries are is decided here and not by arrow-go.
		parquet.WithDataPageSize(math.MaxInt32),
		parquet.WithDictionaryPageSizeLimit(math.MaxInt32),
		parquet.WithStats(true),
		parquet.WithMaxStatsSize(statisticsBytes),
		parquet.WithPageIndexEnabled(true),
		parquet.WithSortingColumns([]parquet.SortingColumn{
			{ColumnIdx: int32(arrowSchema.FieldIndices(w.schema.Device)[0])},
			{ColumnIdx: int32(arrowSchema.FieldIndices(w.schema.Time.Field)[0])},
		}),
		// Adaptive: the number of devices in a row group is not known before.
		// The smallest filter that serves is kept, of ten from 2 KiB to 1 MiB.
		parquet.WithAdaptiveBloomFilterEnabledFor(w.schema.Device, true),
		parquet.WithBloomFilterCandidatesFor(w.schema.Device, 10),
		parquet.WithBloomFilterEnabledFor(w.schema.Device, true),
	}
	for i, c := range w.schema.Columns() {
		e := columnEncoding{values: parquet.Encodings.Plain}
		if len(w.chunks) > 0 {
			e = w.chunks[i].choose(&w.scratch)
		}
		w.encodings = append(w.encodings, e)
		options = append(options, parquet.WithDictionaryFor(c.Name, e.dictionary), parquet.WithEncodingFor(c.Name, e.values))
	}
	properties := parquet.NewWriterProperties(options...)
	columns, err := pqarrow.ToParquet(arrowSchema, properties, pqarrow.DefaultWriterProps())
	if err == nil {
		w.file, err = file.NewParquetWriterWithError(w.to, columns.Root(), file.WithWriterProps(properties))
	}
	if err != nil {
		return fmt.Errorf("start Parquet file of %s: %w", w.schema.Name, err)
	}
	return nil
}

// Bytes returns how long the file is so far, without the open row group.
func (w *Writer) Bytes() int64 {
	if w.file == nil {
		return 0
	}
	return w.file.TotalBytesWritten()
}

// Rows returns the number of rows written so far.
func (w *Writer) Rows() uint64 { return w.summary.Rows }

// Close writes the last row group and the footer and returns what the file
// holds. It does not close the underlying writer.
func (w *Writer) Close() (Summary, error) {
	var err error
	if w.rows > 0 {
		err = w.endGroup()
	} else if w.file == nil {
		err = w.begin()
	}
	if err != nil {
		return Summary{}, err
	}
	if err := w.file.Close(); err != nil {
		return Summary{}, fmt.Errorf("finish Parquet file of %d rows: %w", w.summary.Rows, err)
	}
	return w.summary, nil
}
