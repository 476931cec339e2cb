package tiering

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Policy says when a day goes where.
type Policy struct {
	// HotDays is how many days before today stay in ClickHouse. Larger: more
	// disk. Smaller: queries of older days read S3. The default is 30.
	HotDays int `koanf:"hot_days"`
	// Grace is how long a day's sealed rows outlive the cut-over. A query that
	// was planned before the cut still reads them, so it should exceed the
	// longest query allowed. The default is 1h.
	Grace time.Duration `koanf:"grace"`
	// Settle is how long the view that minds a day's move is shown before the
	// day is moved. A query plans within it: one that was planned with the view
	// before, and looked at the hot table before the move and at the sealed one
	// after, would count the day twice. The default is 1s.
	Settle time.Duration `koanf:"settle"`
	// LateEvery is the time between two generations of a day: for so long the
	// late rows of a cold day collect in the hot table, where the view shows
	// them. Larger: fewer files, which every query of the day has to open, and
	// smaller manifests. Smaller: less in ClickHouse. The default is 24h.
	LateEvery time.Duration `koanf:"late_every"`
	// MergeGenerations is how many small generations a cold day may have before
	// they are merged into one. Larger: more files for a query of the day to
	// open. Smaller: late rows are written again more often, a row about once in
	// so many generations. The default is 8.
	MergeGenerations int `koanf:"merge_generations"`
	// MergeRows is the most rows that are merged at once, and so what small
	// means. Larger: days end with fewer files. Smaller: less to read, sort and
	// write again for a few late rows. The default is 5,000,000, some 160 MB.
	MergeRows uint64 `koanf:"merge_rows"`
	// RetentionDays is how many days before today stay in the cold tier. An older
	// one is retired: no list and no view has it any more, and gc takes its files.
	// Larger: more of S3. The default is 0: for ever.
	RetentionDays int `koanf:"retention_days"`
}

// Config is how a compactor works.
type Config struct {
	Policy `koanf:",squash"`
	// FileBytes ends a file with the row group that reaches it. Larger: fewer
	// files for a query to open. Smaller: a file tells more of what it holds by
	// its devices, less is repeated after a crash, less disk is needed in
	// SpoolDir. The default is 384 MiB, some 12 million rows, in the middle of
	// the 256 to 512 MiB that engines are tuned to.
	FileBytes int64 `koanf:"file_bytes"`
	// RowGroupRows is the most rows of a row group, which is what a query skips
	// by statistics and bloom filter, and what the writer keeps in memory: some
	// 250 bytes a row. A day of fewer than 28 of them has smaller ones, down to
	// 25,000 rows. The default is 250,000.
	RowGroupRows int `koanf:"row_group_rows"`
	// SpoolDir holds a file while it is written and hashed, and while it is
	// verified: its name on S3 is known only at its end. The default is the
	// system's folder for temporary files.
	SpoolDir string `koanf:"spool_dir"`
	// LeaseTTL is how long after a crash another compactor has to wait. It
	// should outlast the slowest single statement, since the lease is renewed
	// between statements. The default is 1m.
	LeaseTTL time.Duration `koanf:"lease_ttl"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Policy: Policy{
			HotDays: 30, Grace: time.Hour, Settle: time.Second, LateEvery: 24 * time.Hour,
			MergeGenerations: 8, MergeRows: 5_000_000,
		},
		FileBytes:    384 << 20,
		RowGroupRows: 250_000,
		SpoolDir:     os.TempDir(),
		LeaseTTL:     time.Minute,
	}
}

// Validate returns every fault of the configuration.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.HotDays >= 1, "hot_days is %d; want at least 1: today's rows are still coming", c.HotDays)
	check(c.Grace >= 0, "grace is %v; want 0s or more", c.Grace)
	check(c.Settle >= 0, "settle is %v; want 0s or more", c.Settle)
	check(c.LateEvery >= 0, "late_every is %v; want 0s or more", c.LateEvery)
	check(c.MergeGenerations >= 1, "merge_generations is %d; want at least 1: one generation is not merged with itself", c.MergeGenerations)
	check(c.RetentionDays == 0 || c.RetentionDays > c.HotDays,
		"retention_days is %d with hot_days %d; want more than those, or 0 to keep days for ever", c.RetentionDays, c.HotDays)
	check(c.FileBytes >= 1, "file_bytes is %d; want at least 1", c.FileBytes)
	check(c.RowGroupRows >= 1, "row_group_rows is %d; want at least 1", c.RowGroupRows)
	info, err := os.Stat(c.SpoolDir)
	check(err == nil && info.IsDir(), "spool_dir is %q, which is no folder; create it", c.SpoolDir)
	check(c.LeaseTTL >= time.Second, "lease_ttl is %v; want at least 1s", c.LeaseTTL)
	return errors.Join(errs...)
}
