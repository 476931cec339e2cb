package iceberg

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Config is which table a registrar keeps, and how.
type Config struct {
	// Namespace is the table's, with points between its levels; it is created
	// if it is not there. The default is "penstock".
	Namespace string `koanf:"namespace"`
	// Table is the table's name. The default is that of the schema.
	Table string `koanf:"table"`
	// Location is where a table that is created keeps its metadata. The default
	// is iceberg/TABLE below the cold tier's prefix: beside the folders of its
	// tables, whose objects the compactor takes care of.
	Location string `koanf:"location"`
	// FilesPerCommit is how many files a snapshot changes before the next day
	// begins another. Larger: fewer snapshots when a large tier is registered
	// for the first time. Smaller: less to do again where two registrars meet.
	// The default is 1,000.
	FilesPerCommit int `koanf:"files_per_commit"`
	// Readers is how many footers are read at a time. Each is some three small
	// requests to S3. The default is 8.
	Readers int `koanf:"readers"`
	// Replans is how often a pass plans anew after the table changed under it,
	// and ReplanWait what it waits for that, at most, the first time. With two
	// registrars one replan is enough. The defaults are 5 and 500ms.
	Replans    int           `koanf:"replans"`
	ReplanWait time.Duration `koanf:"replan_wait"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Namespace: "penstock", FilesPerCommit: 1000, Readers: 8, Replans: 5, ReplanWait: 500 * time.Millisecond}
}

// names are identifiers that every catalog and engine takes.
var (
	names      = regexp.MustCompile(`^[a-z0-9_]+$`)
	namespaces = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`)
)

// Validate returns every fault of the configuration.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(namespaces.MatchString(c.Namespace), "namespace is %q; want small letters, digits and _, with points between levels", c.Namespace)
	check(c.Table == "" || names.MatchString(c.Table), "table is %q; want small letters, digits and _, or nothing for the schema's name", c.Table)
	check(c.FilesPerCommit >= 1, "files_per_commit is %d; want at least 1", c.FilesPerCommit)
	check(c.Readers >= 1, "readers is %d; want at least 1", c.Readers)
	check(c.Replans >= 0, "replans is %d; want 0 or more", c.Replans)
	check(c.ReplanWait > 0, "replan_wait is %v; want a positive duration such as 500ms", c.ReplanWait)
	return errors.Join(errs...)
}
