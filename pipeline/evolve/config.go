package evolve

import (
	"errors"
	"fmt"
	"time"
)

// Config says how a schema may grow.
type Config struct {
	// Policy is who decides on new fields. The default value is propose.
	Policy Policy `koanf:"policy"`
	// Watch is how often a node looks for another version of the schema, a query
	// of milliseconds. Larger: a node goes on for longer with the one before,
	// which stores the same in extra. The default value is 1 s.
	Watch time.Duration `koanf:"watch"`
	// Every is how often new fields are looked for with the policy auto. Each is a
	// query over the rows of the last Recent that have something in extra. The
	// default value is 2 s: with the rest it makes a field a column within the
	// five seconds in which an event is promised to be visible.
	Every time.Duration `koanf:"every"`
	// Recent is how far back auto looks. The default value is 1 m.
	Recent time.Duration `koanf:"recent"`
	// Rows is how many rows have to have a field before auto makes it a column.
	// Larger: fewer columns for what one broken device sends. The default value
	// is 100.
	Rows int `koanf:"rows"`
	// MaxColumns is how many columns the tables may have before fields are no
	// longer proposed; they stay in extra. Every column costs each insert some
	// microseconds and each part a file. The default value is 200.
	MaxColumns int `koanf:"max_columns"`
	// By names the field whose values say who sends a new field, such as a
	// firmware version. A schema without a field of the name has none. The
	// default value is firmware.
	By string `koanf:"by"`
}

// Policy is who decides on new fields.
type Policy string

// The policies.
const (
	// Propose: "ingest schema plan" proposes them and "ingest schema apply" adds
	// them.
	Propose Policy = "propose"
	// Auto: a node adds them by itself.
	Auto Policy = "auto"
	// Frozen: nothing is added; what is new stays in extra.
	Frozen Policy = "frozen"
)

// Default returns the default values.
func Default() Config {
	return Config{Policy: Propose, Watch: time.Second, Every: 2 * time.Second, Recent: time.Minute, Rows: 100, MaxColumns: 200, By: "firmware"}
}

// Validate reports every fault.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Policy == Propose || c.Policy == Auto || c.Policy == Frozen, "evolution.policy is %q; want propose, auto or frozen", c.Policy)
	check(c.Watch >= 100*time.Millisecond, "evolution.watch is %v; want at least 100ms, and rather 1s", c.Watch)
	check(c.Every >= time.Second, "evolution.every is %v; want at least 1s", c.Every)
	check(c.Recent >= c.Every, "evolution.recent is %v; want at least evolution.every, %v", c.Recent, c.Every)
	check(c.Rows >= 1, "evolution.rows is %d; want at least 1", c.Rows)
	check(c.MaxColumns >= 1, "evolution.max_columns is %d; want at least 1, and rather 200", c.MaxColumns)
	return errors.Join(errs...)
}
