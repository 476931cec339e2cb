package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Rollup says which readings are kept per period and device, or another field.
type Rollup struct {
	// Name follows the schema's and an underscore in the name of the view that
	// shows the rollup. The default value is the period, and the field where that
	// is not the device: 1m, 1h_site.
	Name string `yaml:"name"`
	// Every is the period.
	Every Period `yaml:"every"`
	// By is the field that has a row of its own a period: the device, if empty,
	// or one of low cardinality.
	By       string   `yaml:"by"`
	Readings []string `yaml:"readings"`
	// Functions of each reading. The default value is min, max, avg, last.
	Functions []Function `yaml:"functions"`
	// Quantiles of each reading, such as 0.99; none if empty.
	Quantiles []float64 `yaml:"quantiles"`
	// TTL is for how many days rows of the rollup are kept; for ever if 0.
	TTL Lifetime `yaml:"ttl"`
}

// Period is how long a row of a rollup is.
type Period string

// The periods. None is longer than a day: a rollup's partition is its day's, so
// that an insert of one day is one partition of every rollup, where its token is
// known.
const (
	Minute   Period = "1m"
	Hour     Period = "1h"
	WholeDay Period = "1d"
)

// periods says of each what its column is called, which function of ClickHouse
// rounds a time down to it, and how many milliseconds it has.
var periods = map[Period]struct {
	column, start string
	millis        int
}{
	Minute:   {"minute", "toStartOfMinute", 60_000},
	Hour:     {"hour", "toStartOfHour", 3_600_000},
	WholeDay: {"day", "toStartOfDay", 86_400_000},
}

// Function is what a rollup keeps of a reading.
type Function string

// The functions. Of two values of one millisecond Last is the greater.
const (
	Min  Function = "min"
	Max  Function = "max"
	Avg  Function = "avg"
	Last Function = "last"
	Sum  Function = "sum"
)

// Lifetime is a number of days, written as 365d.
type Lifetime int

// UnmarshalYAML reads one of the schema file.
func (l *Lifetime) UnmarshalYAML(n *yaml.Node) error {
	digits, ok := strings.CutSuffix(n.Value, "d")
	days, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return fmt.Errorf("%q is no number of days such as 365d", n.Value)
	}
	*l = Lifetime(days)
	return nil
}

// maxLifetime is twenty years. ClickHouse's DateTime ends in 2106, and a row whose
// end would be after that has one long past: it is dropped at once.
const maxLifetime = 7_300

// functions returns the declared ones or the default.
func (r Rollup) functions() []Function {
	if len(r.Functions) == 0 {
		return []Function{Min, Max, Avg, Last}
	}
	return r.Functions
}

// rollupName returns the bare name of the view that shows the rollup.
func (s *Schema) rollupName(r Rollup) string {
	name := r.Name
	if name == "" {
		name = string(r.Every)
		if r.By != "" && r.By != s.Device {
			name += "_" + r.By
		}
	}
	return s.Name + "_" + name
}

// quantile is the suffix of the column of a quantile: p99 of 0.99, p99_9 of 0.999.
func quantile(level float64) string {
	percent := strconv.FormatFloat(level*100, 'f', 6, 64) // 0.07 * 100 is not quite 7
	percent = strings.TrimRight(strings.TrimRight(percent, "0"), ".")
	return "p" + strings.ReplaceAll(percent, ".", "_")
}

// columnsOf returns the names of the columns that the rollup's table or view has,
// that of the field with rows of its own first.
func (s *Schema) columnsOf(r Rollup) []string {
	names := []string{s.by(r), periods[r.Every].column, "events"}
	for _, reading := range r.Readings {
		for _, f := range r.functions() {
			names = append(names, reading+"_"+string(f))
		}
		if len(r.Quantiles) > 0 {
			names = append(names, reading+"_quantiles")
		}
		for _, level := range r.Quantiles {
			names = append(names, reading+"_"+quantile(level))
		}
	}
	return names
}

// by returns the field that has a row of its own.
func (s *Schema) by(r Rollup) string {
	if r.By == "" {
		return s.Device
	}
	return r.By
}

// rollupFaults reports what is wrong with the rollups.
func (s *Schema) rollupFaults(check func(key string, ok bool, format string, args ...any)) {
	taken := map[string]bool{s.Name + "_sealed": true, s.Name + "_all": true}
	for i, r := range s.Rollups {
		at := func(key string) string { return fmt.Sprintf("rollups[%d].%s", i, key) }
		_, known := periods[r.Every]
		check(at("every"), known, "%s is %q; want %s, %s or %s", at("every"), r.Every, Minute, Hour, WholeDay)
		check(at("name"), r.Name == "" || identifier.MatchString("_"+r.Name), "%s is %q; want letters, digits and _, at most 63", at("name"), r.Name)
		name := s.rollupName(r)
		check(fmt.Sprintf("rollups[%d]", i), !taken[name] || !known, "rollups[%d] makes a view %s, which is another's name; give it a name", i, name)
		for _, suffix := range []string{"", "_state", "_feed"} {
			taken[name+suffix] = true
		}
		by, ok := s.field(s.by(r))
		check(at("by"), r.By == "" || ok && (by.LowCardinality || r.By == s.Device), "%s is %q; want %s, or a field with low_cardinality", at("by"), r.By, s.Device)

		check(at("readings"), len(r.Readings) > 0, "%s is empty; name the numeric fields to keep, such as [temperature]", at("readings"))
		for j, name := range r.Readings {
			c, ok := s.field(name)
			key := fmt.Sprintf("rollups[%d].readings[%d]", i, j)
			check(key, ok && !slices.Contains([]Type{String, Bool, TimestampMS}, c.Type), "%s names %q; want a numeric field", at("readings"), name)
			check(key, !slices.Contains(r.Readings[:j], name), "%s names %q twice; drop one", at("readings"), name)
		}
		for j, of := range r.Functions {
			key := fmt.Sprintf("rollups[%d].functions[%d]", i, j)
			check(key, slices.Contains([]Function{Min, Max, Avg, Last, Sum}, of), "%s names %q; want %s, %s, %s, %s or %s", at("functions"), of, Min, Max, Avg, Last, Sum)
			check(key, !slices.Contains(r.Functions[:j], of), "%s names %q twice; drop one", at("functions"), of)
		}
		for j, level := range r.Quantiles {
			key := fmt.Sprintf("rollups[%d].quantiles[%d]", i, j)
			check(key, level > 0 && level < 1, "%s has %v; want levels between 0 and 1, such as 0.99", at("quantiles"), level)
			same := func(other float64) bool { return quantile(other) == quantile(level) }
			check(key, !slices.ContainsFunc(r.Quantiles[:j], same), "%s has %v twice; drop one", at("quantiles"), level)
		}
		check(at("ttl"), r.TTL >= 0 && r.TTL <= maxLifetime, "%s is %dd; want 1d to %dd, or none to keep rows for ever", at("ttl"), r.TTL, maxLifetime)

		// Where a query makes a column of a field's name, ClickHouse takes the one
		// for the other.
		for j, column := range s.columnsOf(r) {
			_, field := s.field(column)
			check(fmt.Sprintf("rollups[%d]", i), !field || j == 0, "rollups[%d] makes a column %s, which is the name of a field; rename the field, or leave out the reading or function", i, column)
		}
	}
}
