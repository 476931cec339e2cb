package schema

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Attributes is what is known of devices, an attribute an array and a device a
// row: the fields that a schema fills from the device, and the calibrations it
// names. It is not for several goroutines at once, unless none of them changes it.
type Attributes struct {
	rows   int
	byName map[string]attribute
	// fields are those that fill a field, calibrations the others, without suffix.
	fields, calibrations []string
}

// NewAttributes returns the attributes that s needs, of no device.
func NewAttributes(s *Schema) *Attributes {
	a := &Attributes{byName: map[string]attribute{}}
	for _, c := range s.Fields {
		if c.From == FromDevice {
			a.byName[c.Name] = newAttribute(c)
			a.fields = append(a.fields, c.Name)
		}
	}
	for _, c := range s.Fields {
		if c.Calibrate == "" {
			continue
		}
		if !slices.Contains(a.calibrations, c.Calibrate) {
			a.calibrations = append(a.calibrations, c.Calibrate)
		}
		for _, name := range []string{c.Calibrate + scaleSuffix, c.Calibrate + offsetSuffix} {
			if a.byName[name] == nil {
				a.byName[name] = newNumbers(Float64, parseFloat[float64](64))
			}
		}
	}
	return a
}

// Names returns the names of all attributes, sorted; none if the schema needs none.
func (a *Attributes) Names() []string { return slices.Sorted(maps.Keys(a.byName)) }

// Lacking returns what a list of devices lacks that has these columns: every
// attribute that fills a field, and either of a calibration's two.
func (a *Attributes) Lacking(columns []string) []string {
	var lacking []string
	for _, name := range a.fields {
		if !slices.Contains(columns, name) {
			lacking = append(lacking, name)
		}
	}
	for _, name := range a.calibrations {
		if !slices.Contains(columns, name+scaleSuffix) && !slices.Contains(columns, name+offsetSuffix) {
			lacking = append(lacking, name+scaleSuffix+" or "+name+offsetSuffix)
		}
	}
	return lacking
}

// Rows returns how many there are.
func (a *Attributes) Rows() int { return a.rows }

// Bytes returns about what they take in memory.
func (a *Attributes) Bytes() int {
	n := 0
	for _, v := range a.byName {
		n += v.bytes()
	}
	return n
}

// Grow appends a row without values and returns its number.
func (a *Attributes) Grow() int {
	for _, v := range a.byName {
		v.grow()
	}
	a.rows++
	return a.rows - 1
}

// Clear takes the row's values away.
func (a *Attributes) Clear(row int) {
	for _, v := range a.byName {
		v.clear(row)
	}
}

// Set gives the row the JSON value for its attribute of that name; null is none.
// It is an error if the value does not fit, and none if the schema needs no such
// attribute.
func (a *Attributes) Set(row int, name string, raw jsontext.Value) error {
	v := a.byName[name]
	switch {
	case v == nil:
		return nil
	case raw.Kind() == jsontext.KindNull:
		v.clear(row)
		return nil
	case !v.set(row, raw):
		return fmt.Errorf("attribute %s is %s; want a %s", name, shorten(raw), v.wants())
	}
	return nil
}

// SetText is Set of a value as plain text, as in a CSV file, of which an empty one
// is none.
func (a *Attributes) SetText(row int, name, text string) error {
	v := a.byName[name]
	switch {
	case v == nil:
		return nil
	case text == "":
		v.clear(row)
		return nil
	case !v.parse(row, text):
		return fmt.Errorf("attribute %s is %q; want a %s", name, shorten([]byte(text)), v.wants())
	}
	return nil
}

// Clone returns a copy that does not change with a.
func (a *Attributes) Clone() *Attributes {
	out := &Attributes{rows: a.rows, byName: make(map[string]attribute, len(a.byName)), fields: a.fields, calibrations: a.calibrations}
	for name, v := range a.byName {
		out.byName[name] = v.clone()
	}
	return out
}

// EachDevice calls visit with every row's device, in order. The name is valid
// until the block changes.
func (b *Block) EachDevice(visit func(row int, device []byte)) {
	at := 0
	for row := range b.device.rows {
		next := b.device.skip(at, 1)
		visit(row, unprefixed(b.device.buf[at:next]))
		at = next
	}
}

// unprefixed is a string without its length before it.
func unprefixed(v []byte) []byte {
	_, width := binary.Uvarint(v)
	return v[width:]
}

// Enrich fills the fields that come from the device and calibrates readings:
// rows has, for each row of the block, that of its device in a, or a number below
// 0 for a device that is not known, whose fields stay empty and whose readings
// stay as they are. It is done once to a block, when all of its rows are in it.
//
// What a calibration would take beyond its column stays as it is, too.
func (b *Block) Enrich(a *Attributes, rows []int32) {
	if len(rows) != b.Rows() {
		panic(fmt.Sprintf("BUG: %d rows of attributes for a block of %d", len(rows), b.Rows()))
	}
	for i, c := range b.schema.Fields {
		if from := a.byName[c.Name]; c.From == FromDevice && from != nil {
			from.fill(b.columns[i], rows)
		}
		if c.Calibrate == "" {
			continue
		}
		scale, _ := a.byName[c.Calibrate+scaleSuffix].(*numbers[float64])
		offset, _ := a.byName[c.Calibrate+offsetSuffix].(*numbers[float64])
		switch col := b.columns[i].(type) {
		case *fixed[float32]:
			calibrate(col, scale, offset, rows, func(v float32) bool { return isFinite32(math.Float32bits(v)) })
		case *fixed[float64]:
			calibrate(col, scale, offset, rows, func(v float64) bool { return isFinite64(math.Float64bits(v)) })
		}
	}
}

// calibrate corrects the values that are there of devices that are known.
func calibrate[T float32 | float64](col *fixed[T], scale, offset *numbers[float64], rows []int32, finite func(T) bool) {
	if scale == nil || offset == nil {
		return // of a schema that is newer than the attributes
	}
	for i, row := range rows {
		if row < 0 || col.isNull(i) || !scale.known[row] && !offset.known[row] {
			continue
		}
		factor := 1.0
		if scale.known[row] {
			factor = scale.values[row]
		}
		if v := T(float64(col.values[i])*factor + offset.values[row]); finite(v) {
			col.values[i] = v
		}
	}
}
