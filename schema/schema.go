package schema

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
)

// Schema describes one kind of event. It is immutable after [Parse].
type Schema struct {
	// Name is the event's, and the name of its ClickHouse table.
	Name string `yaml:"name"`
	// Version grows by one with every change of Fields.
	Version int `yaml:"version"`
	// Identity names the fields that make two records the same event: the
	// device and its sequence number, or one field such as an event id.
	Identity []string `yaml:"identity"`
	// Device names the string field that holds the device.
	Device string   `yaml:"device"`
	Time   Time     `yaml:"time"`
	Rollup Rollup   `yaml:"rollup"`
	Fields []Column `yaml:"fields"`
}

// Time says which field is the event's own time, and which times are credible.
type Time struct {
	Field string `yaml:"field"`
	// NotBefore is the earliest credible time: a device whose clock says 1970
	// has not set it.
	NotBefore time.Time `yaml:"not_before"`
	// MaxAhead bounds how far a time may be after the record's Kafka
	// timestamp. The bound is against that timestamp and not the clock of the
	// node, so that a record gets the same verdict whenever it is read.
	MaxAhead time.Duration `yaml:"max_ahead"`
}

// Rollup says which readings are kept per device and minute.
type Rollup struct {
	Readings []string `yaml:"readings"`
}

// Column is one column of an event: a field of the schema file, or one that
// every event has.
type Column struct {
	// ID is the field's number in Parquet and Iceberg; never reused.
	ID   int    `yaml:"id"`
	Name string `yaml:"name"`
	Type Type   `yaml:"type"`
	// Required: a record without it is rejected.
	Required bool `yaml:"required"`
	// Nullable: absent is NULL. Otherwise absent is the type's zero.
	Nullable bool `yaml:"nullable"`
	// LowCardinality: a string with few distinct values, stored as a
	// dictionary and indexes.
	LowCardinality bool `yaml:"low_cardinality"`
	// Codec is the ClickHouse compression codec; the server's default if empty.
	Codec string `yaml:"codec"`
	Unit  string `yaml:"unit"`
	Doc   string `yaml:"doc"`
	// Since is the schema version that brought the field; 0 means the first.
	Since int `yaml:"since"`
}

// The columns every event has beside its fields.
const (
	ColExtra      = "extra"        // JSON object of what the schema has no column for, or ''
	ColTopic      = "_topic"       // Kafka topic
	ColPartition  = "_partition"   // Kafka partition
	ColOffset     = "_offset"      // Kafka offset
	ColIngestedAt = "_ingested_at" // Kafka's timestamp of the record
)

// firstOwnID separates the ids of the schema file from those below.
const firstOwnID = 900

// ownColumns follow the fields in every table. None of them has a default the
// server would compute: a retried insert must be the same bytes.
var ownColumns = []Column{
	{ID: 900, Name: ColExtra, Type: String, Codec: "ZSTD(1)", Doc: "Fields the schema does not know, and values that do not fit their column, as a JSON object; empty if none."},
	{ID: 1001, Name: ColTopic, Type: String, LowCardinality: true, Doc: "Kafka topic the event came from."},
	{ID: 1002, Name: ColPartition, Type: Int32, Codec: "ZSTD(1)", Doc: "Kafka partition."},
	{ID: 1003, Name: ColOffset, Type: Int64, Codec: "Delta, ZSTD(1)", Doc: "Kafka offset: with topic and partition, the record's own identity."},
	{ID: 1004, Name: ColIngestedAt, Type: TimestampMS, Codec: "Delta, ZSTD(1)", Doc: "Kafka's timestamp of the record."},
}

//go:embed telemetry.yaml
var telemetry []byte

// Telemetry returns the schema the product ships with.
func Telemetry() *Schema {
	s, err := Parse(telemetry)
	if err != nil {
		panic("BUG: the embedded telemetry.yaml: " + err.Error())
	}
	return s
}

// Parse reads a schema file. Unknown keys are errors; of a file that parses,
// all faults are reported at once.
func Parse(text []byte) (*Schema, error) {
	s := new(Schema)
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField()).Decode(s); err != nil {
		return nil, fmt.Errorf("schema file: %w", err)
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("schema file: %w", err)
	}
	return s, nil
}

// Columns returns every column in insert order: the fields, then the columns
// every event has.
func (s *Schema) Columns() []Column { return slices.Concat(s.Fields, ownColumns) }

// field returns the field of that name and whether there is one.
func (s *Schema) field(name string) (Column, bool) {
	i := slices.IndexFunc(s.Fields, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return s.Fields[i], true
}

// identifier is what a column may be called: it stands in DDL, in JSON and in
// Parquet, and must need no escaping in any of them.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// codec keeps a schema file from smuggling SQL into the DDL.
var codec = regexp.MustCompile(`^[A-Za-z0-9]+(\([0-9, ]*\))?(, ?[A-Za-z0-9]+(\([0-9, ]*\))?)*$`)

func (s *Schema) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(identifier.MatchString(s.Name), "name is %q; want letters, digits and _, at most 64", s.Name)
	check(s.Version >= 1, "version is %d; the first is 1", s.Version)
	check(len(s.Fields) > 0, "fields is empty; an event needs at least a device, an identity and a time")

	names, ids := map[string]bool{}, map[int]string{}
	for _, c := range ownColumns {
		names[c.Name] = true
	}
	for _, c := range s.Fields {
		check(identifier.MatchString(c.Name), "field %q: the name may have letters, digits and _, at most 64", c.Name)
		check(!names[c.Name], "field %q: the name is taken; rename it", c.Name)
		names[c.Name] = true
		check(c.ID >= 1 && c.ID < firstOwnID, "field %s: id is %d; want 1 to %d", c.Name, c.ID, firstOwnID-1)
		other, taken := ids[c.ID]
		check(!taken, "field %s: id %d belongs to %s; take the next free one", c.Name, c.ID, other)
		ids[c.ID] = c.Name
		check(c.Type.known(), "field %s: type is %q; want one of %v", c.Name, c.Type, Types())
		check(!c.LowCardinality || c.Type == String, "field %s: low_cardinality is for strings, not %s", c.Name, c.Type)
		check(!c.LowCardinality || !c.Nullable, "field %s: low_cardinality and nullable together; drop nullable, absent is ''", c.Name)
		check(!c.Required || !c.Nullable, "field %s: required and nullable contradict each other", c.Name)
		check(c.Codec == "" || codec.MatchString(c.Codec), "field %s: codec is %q; want for example \"Delta, ZSTD(1)\"", c.Name, c.Codec)
		check(c.Since <= s.Version, "field %s: since is %d but the schema's version is %d", c.Name, c.Since, s.Version)
	}
	need := func(role, name string, types ...Type) {
		c, ok := s.field(name)
		check(ok, "%s names %q, which is no field", role, name)
		check(!ok || c.Required, "%s is field %s, which must be required", role, name)
		check(!ok || slices.Contains(types, c.Type), "%s is field %s of type %s; want one of %v", role, name, c.Type, types)
	}
	need("device", s.Device, String)
	need("time.field", s.Time.Field, TimestampMS)
	check(s.Time.MaxAhead > 0, "time.max_ahead is %v; want a positive duration such as 24h", s.Time.MaxAhead)
	switch len(s.Identity) {
	case 1:
		need("identity", s.Identity[0], String, UInt64)
	case 2:
		check(s.Identity[0] == s.Device, "identity is %v; of two fields the first must be the device, %s", s.Identity, s.Device)
		need("identity", s.Identity[1], UInt64)
	default:
		check(false, "identity is %v; want [device, sequence number] or one field", s.Identity)
	}
	for _, name := range s.Rollup.Readings {
		c, ok := s.field(name)
		check(ok && c.Type != String && c.Type != Bool, "rollup.readings names %q; want a numeric field", name)
	}
	return errors.Join(errs...)
}
