package tiering

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/store"
)

// manifestFormat is the version of the manifest's own layout. 2 came with
// generations that are replaced and days that are retired: a reader of format 1
// would number the next generation by how many there are.
const manifestFormat = 2

// Manifest is one version of what the cold tier holds of one day. Versions are
// never changed; the highest is the one that counts. What it does not list does
// not exist.
type Manifest struct {
	Format  int       `json:"format"`
	Table   string    `json:"table"`
	Day     string    `json:"day"`
	Version int       `json:"version"`
	Written time.Time `json:"written"`
	// Fence is the number of the lease under which it was written. It never
	// falls from one version to the next.
	Fence uint64 `json:"fence"`
	// LastGeneration is the highest number that a generation of the day has or
	// had. None is used twice, also when generations are no longer listed.
	LastGeneration int `json:"last_generation"`
	// RetiredAt: the day is older than the policy keeps days, and this version
	// lists no generation. Rows that come later make it a day once more.
	RetiredAt *time.Time `json:"retired_at,omitempty"`
	// Restored: rows of the files are in the sealed partition too; nil if not.
	Restored    *Restoration `json:"restored,omitempty"`
	Generations []Generation `json:"generations"`
}

// Generation is the rows of a day that were sealed together, or those of several
// generations that were merged.
type Generation struct {
	Generation int `json:"generation"`
	// SchemaVersion is the newest that one of the files was written with.
	SchemaVersion int `json:"schema_version"`
	// Merged are the generations that this one took the place of.
	Merged []int `json:"merged,omitempty"`
	// RowsRead = Rows + Duplicates + Erased: what the sealed partition held, what
	// of it is in the files, what repeated the identity of another row, of this
	// generation or an earlier one, and what was erased from the files since.
	RowsRead   uint64 `json:"rows_read"`
	Rows       uint64 `json:"rows"`
	Duplicates uint64 `json:"duplicates"`
	Erased     uint64 `json:"erased,omitempty"`
	// LastBlock is the highest block of the sealed partition that was read. A
	// part with higher ones came later and is not in the files.
	LastBlock int64 `json:"last_block"`

	PublishedAt time.Time `json:"published_at"`
	// CutOverAt: the view reads the files instead of the sealed partition.
	CutOverAt *time.Time `json:"cut_over_at,omitempty"`
	// DropBegunAt: the sealed parts were counted and found to be what was read,
	// and are dropped one by one. From then on some may be missing.
	DropBegunAt *time.Time `json:"drop_begun_at,omitempty"`
	// ExpiredAt: the sealed partition is dropped. Until then it exists.
	ExpiredAt *time.Time `json:"expired_at,omitempty"`

	Files []File `json:"files"`
}

// File is one Parquet file.
type File struct {
	// Path is relative to the table's folder, so that the folder can move.
	Path      string         `json:"path"`
	Rows      uint64         `json:"rows"`
	Bytes     int64          `json:"bytes"`
	SHA256    store.Checksum `json:"sha256"`
	MinTime   time.Time      `json:"min_time"`
	MaxTime   time.Time      `json:"max_time"`
	MinDevice string         `json:"min_device"`
	MaxDevice string         `json:"max_device"`
	Columns   []ColumnSum    `json:"columns"`
}

// ColumnSum is a column's content checksum, as [archive.Sums] defines it.
type ColumnSum struct {
	ID   int         `json:"id"`
	Name string      `json:"name"`
	Sum  archive.Sum `json:"sum"`
}

// open returns the day's generation whose sealed partition is not known to be
// dropped, or nil. Only the last one can be open: a day is not sealed again
// before.
func (m *Manifest) open() *Generation {
	if m == nil || len(m.Generations) == 0 {
		return nil
	}
	if g := &m.Generations[len(m.Generations)-1]; g.ExpiredAt == nil {
		return g
	}
	return nil
}

// published is when the day's latest generation was, or when the day was retired.
func (m *Manifest) published() (at time.Time) {
	if m.RetiredAt != nil {
		return *m.RetiredAt
	}
	// A merged one stands last, and may be of earlier ones than those before it.
	for _, g := range m.Generations {
		if g.PublishedAt.After(at) {
			at = g.PublishedAt
		}
	}
	return at
}

// nextGeneration is the number of the day's next generation.
func (m *Manifest) nextGeneration() int {
	if m == nil {
		return 1
	}
	return m.LastGeneration + 1
}

// add appends a generation, whose number is the day's next.
func (m *Manifest) add(g Generation) {
	if g.Generation != m.nextGeneration() {
		panic(fmt.Sprintf("BUG: generation %d of %s is added after %d", g.Generation, m.Day, m.LastGeneration))
	}
	m.LastGeneration = g.Generation
	m.Generations = append(m.Generations, g)
}

// next returns the manifest's next version, which shares no memory with it that
// a caller may change, and is not retired. m is nil for a day's first.
func (m *Manifest) next(table string, day schema.Day, now time.Time, fence uint64) *Manifest {
	out := &Manifest{
		Format: manifestFormat, Table: table, Day: day.String(), Version: 1, Written: now.UTC(), Fence: fence,
		Generations: []Generation{}, // [] in JSON, also of a day that is retired
	}
	if m != nil {
		out.Version, out.LastGeneration = m.Version+1, m.LastGeneration
		out.Generations = append(out.Generations, m.Generations...)
		if m.Restored != nil {
			restored := *m.Restored
			out.Restored = &restored
		}
	}
	return out
}

func (m *Manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest of %s: %w", m.Day, err)
	}
	return b.Bytes(), nil
}

func decodeManifest(key string, body []byte) (*Manifest, error) {
	m := new(Manifest)
	d := json.NewDecoder(bytes.NewReader(body))
	// A manifest with a field this program does not know was written by a newer
	// one, which may mean something by it.
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", key, err)
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("manifest %s has format %d; this program knows %d: use the release that wrote it, or a newer one", key, m.Format, manifestFormat)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("manifest %s %w, which no release writes: restore the original", key, err)
	}
	return m, nil
}

// check holds what the rest of the package relies on.
func (m *Manifest) check() error {
	if retired := m.RetiredAt != nil; retired != (len(m.Generations) == 0) {
		return fmt.Errorf("lists %d generations and is retired: %t", len(m.Generations), retired)
	}
	before := 0
	for i, g := range m.Generations {
		if g.Generation <= before || g.Generation > m.LastGeneration {
			return fmt.Errorf("lists generation %d after %d, with %d as the last", g.Generation, before, m.LastGeneration)
		}
		if g.ExpiredAt == nil && i < len(m.Generations)-1 {
			return fmt.Errorf("lists generations after %d, which is open", g.Generation)
		}
		before = g.Generation
	}
	return nil
}

// files returns all files of a day, of all its generations; nil has none.
func (m *Manifest) files() (all []File) {
	if m != nil {
		for _, g := range m.Generations {
			all = append(all, g.Files...)
		}
	}
	return all
}

// Rows returns the number of rows in the files of all generations.
func (m *Manifest) Rows() uint64 {
	var n uint64
	if m != nil {
		for _, g := range m.Generations {
			n += g.Rows
		}
	}
	return n
}

// Bytes returns the size of the files of all generations.
func (m *Manifest) Bytes() int64 {
	var n int64
	if m != nil {
		for _, g := range m.Generations {
			for _, f := range g.Files {
				n += f.Bytes
			}
		}
	}
	return n
}

// columns returns the columns that the file has, which are those the manifest
// lists. A field never changes its type, so what a later version of the schema
// says of a column is true of the file; that version's own columns are not in it.
func (f File) columns(s *schema.Schema) ([]schema.Column, error) {
	all := s.Columns()
	var columns []schema.Column
	for _, sum := range f.Columns {
		i := slices.IndexFunc(all, func(c schema.Column) bool { return c.ID == sum.ID })
		if i < 0 || all[i].Name != sum.Name {
			return nil, fmt.Errorf("the manifest lists column %s with id %d, which version %d of the schema has not; the schema that wrote it is to be extended, not changed", sum.Name, sum.ID, s.Version)
		}
		columns = append(columns, all[i])
	}
	return columns, nil
}

func fileOf(path string, size int64, sum store.Checksum, s *schema.Schema, c archive.Summary) File {
	f := File{
		Path: path, Rows: c.Rows, Bytes: size, SHA256: sum,
		MinTime: time.UnixMilli(c.MinTime).UTC(), MaxTime: time.UnixMilli(c.MaxTime).UTC(),
		MinDevice: c.MinDevice, MaxDevice: c.MaxDevice,
	}
	for i, column := range s.Columns() {
		f.Columns = append(f.Columns, ColumnSum{ID: column.ID, Name: column.Name, Sum: c.Sums[i]})
	}
	return f
}
