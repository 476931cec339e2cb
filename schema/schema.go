package schema

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"time"
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
	Device  string   `yaml:"device"`
	Time    Time     `yaml:"time"`
	Rollups []Rollup `yaml:"rollups"`
	Fields  []Column `yaml:"fields"`

	text string // the file it was read from
}

// Text returns the schema file; it is empty for what [Schema.With] made.
func (s *Schema) Text() string { return s.text }

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
	// Ahead is what becomes of an event that is further ahead: it is rejected if
	// empty.
	Ahead Ahead `yaml:"ahead"`
}

// Ahead is what becomes of an event whose time is not credible since it is too
// far ahead.
type Ahead string

// The ways.
const (
	// AheadReject: the record is rejected. A person looks at the device.
	AheadReject Ahead = "reject"
	// AheadClamp: the event counts as taken when Kafka got its record, and what
	// the device said is kept in extra under the field's name. Of such an event a
	// resend is known only while its partition stays on the node: what is stored
	// does not tell its own time.
	AheadClamp Ahead = "clamp"
)

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
	// Codec is the ClickHouse compression codec; the tables' default, ZSTD(1),
	// if empty.
	Codec string `yaml:"codec"`
	Unit  string `yaml:"unit"`
	// From is where the value comes from: the record if empty.
	From Source `yaml:"from"`
	// Scale and Offset convert what the record says into Unit: stored is sent *
	// Scale + Offset. Scale is 1 if not given.
	Scale  float64 `yaml:"scale"`
	Offset float64 `yaml:"offset"`
	// Calibrate names the device attributes Calibrate_scale and Calibrate_offset
	// that the value in Unit is then corrected by, in the same way; no correction
	// if empty.
	Calibrate string `yaml:"calibrate"`
	Doc       string `yaml:"doc"`
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
	ColIndex      = "_index"       // which of its record's events
)

// firstOwnID separates the ids of the schema file from those below.
const firstOwnID = 900

// ownColumns follow the fields in every table. None of them has a default the
// server would compute: a retried insert must be the same bytes.
var ownColumns = []Column{
	{ID: 900, Name: ColExtra, Type: String, Doc: "Fields the schema does not know, and values that do not fit their column, as a JSON object; empty if none."},
	{ID: 1001, Name: ColTopic, Type: String, LowCardinality: true, Doc: "Kafka topic the event came from."},
	{ID: 1002, Name: ColPartition, Type: Int32, Doc: "Kafka partition."},
	{ID: 1003, Name: ColOffset, Type: Int64, Codec: "Delta, ZSTD(1)", Doc: "Kafka offset: with topic, partition and index, where the event came from."},
	{ID: 1004, Name: ColIngestedAt, Type: TimestampMS, Codec: "Delta, ZSTD(1)", Doc: "Kafka's timestamp of the record."},
	{ID: 1005, Name: ColIndex, Type: UInt16, Doc: "Which of its record's events this is, from 0 on; 0 where a record is one event."},
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

// Open returns the schema in the file at path, and the product's own for an
// empty path.
func Open(path string) (*Schema, error) {
	if path == "" {
		return Telemetry(), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	s, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Event returns the names of the fields by which two rows are the same event:
// those of its identity, and its time, since a device that restarts may use a
// number again.
func (s *Schema) Event() []string {
	if slices.Contains(s.Identity, s.Time.Field) {
		return s.Identity
	}
	return append(slices.Clip(s.Identity), s.Time.Field)
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
