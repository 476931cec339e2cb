package enrich

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Config says where devices are told of. It is one of File, Query and Topic, or
// none where the schema fills no field from the device.
type Config struct {
	// File is a list of devices: a .csv file whose first line names the columns, or
	// an .ndjson file of an object a line. The column of the schema's device field
	// is the device; others are its attributes, and those that the schema does not
	// name are passed over. Replace it by renaming another over it: a file that is
	// half written is half the devices.
	File string `koanf:"file"`
	// Query is a query to ClickHouse for the same columns, such as SELECT * FROM
	// fleet.devices, or FROM dictionary('devices'). It is asked of the first shard.
	Query string `koanf:"query"`
	// Topic is a compacted topic of the same Kafka: the record's key is the device,
	// its value a JSON object of attributes; a record without a value deletes the
	// device. A change is known within a second.
	Topic string `koanf:"topic"`
	// Refresh is how often a file is looked at, or a query asked again. Smaller:
	// changes are known sooner. Larger: less work, for a query above all, which
	// reads every device each time. The default value is 30 s.
	Refresh time.Duration `koanf:"refresh"`
	// StartTimeout is how long a node that starts waits for its first list of
	// devices before it does as Without says. The default value is one minute.
	StartTimeout time.Duration `koanf:"start_timeout"`
	// Without is what a node does that has no list of devices after StartTimeout:
	// fail stops it, nulls has it store events as of devices that are unknown. The
	// default value is fail: what is stored without attributes stays without them,
	// while Kafka keeps what is not stored.
	Without Without `koanf:"without"`
	// Hold is how long a batch with rows of unknown devices waits for the source to
	// tell of them. All rows of the batch wait with them, which are visible that
	// much later, unless the batch is full before. The default value is 0: they are
	// stored as they are.
	Hold time.Duration `koanf:"hold"`
}

// Without is what becomes of a node that has no list of devices.
type Without string

// The ways; see [Config].Without.
const (
	Fail  Without = "fail"
	Nulls Without = "nulls"
)

// Default returns a config that lacks only a source.
func Default() Config {
	return Config{Refresh: 30 * time.Second, StartTimeout: time.Minute, Without: Fail}
}

// maxHold bounds Hold: an event is promised to be visible in seconds.
const maxHold = time.Minute

// fileKinds are the extensions of a File.
var fileKinds = []string{".csv", ".ndjson"}

// Given says whether there is a source.
func (c Config) Given() bool { return cmp.Or(c.File, c.Query, c.Topic) != "" }

// Validate reports every fault.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	sources := 0
	for _, s := range []string{c.File, c.Query, c.Topic} {
		if s != "" {
			sources++
		}
	}
	check(sources <= 1, "enrich.file, enrich.query and enrich.topic: %d of them are given; devices have one source, drop the others", sources)
	ext := filepath.Ext(c.File)
	check(c.File == "" || ext == fileKinds[0] || ext == fileKinds[1], "enrich.file is %q; want a name that ends in one of %v", c.File, fileKinds)
	check(c.Refresh >= 100*time.Millisecond, "enrich.refresh is %v; want at least 100ms, and rather 30s", c.Refresh)
	check(c.StartTimeout > 0, "enrich.start_timeout is %v; want a positive duration such as 1m", c.StartTimeout)
	check(c.Without == Fail || c.Without == Nulls, "enrich.without is %q; want %s or %s", c.Without, Fail, Nulls)
	check(c.Hold >= 0 && c.Hold <= maxHold, "enrich.hold is %v; want 0 to %v: all rows of a batch wait so long for one", c.Hold, maxHold)
	return errors.Join(errs...)
}
