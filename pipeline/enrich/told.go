package enrich

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/schema"
)

// told is what a source says of devices, on its way into a table. A value that
// does not fit is left out and counted, and so is what is no device at all: one
// slip in a list of a million is no reason to go on with an old list.
type told struct {
	table   *table
	device  string // name of the column that is the device
	misfits int
	misfit  error // the first of them
	json    jsontext.Decoder
	buffer  bytes.Buffer
}

func newTold(s *schema.Schema) *told { return &told{table: newTable(s), device: s.Device} }

// miss counts a value that is left out. where tells it from others.
func (t *told) miss(where string, err error) {
	if t.misfits++; t.misfit == nil {
		t.misfit = fmt.Errorf("%s: %w", where, err)
	}
}

// errNoDevice is an entry that does not say of whom it is.
var errNoDevice = errors.New("no device")

// object puts a JSON object of attributes of a device. An empty device is taken
// from the object's own member.
func (t *told) object(where string, device, value []byte) {
	fields, err := t.members(value)
	if err != nil {
		t.miss(where, err)
		return
	}
	if len(device) == 0 {
		name, ok := fields[t.device]
		if !ok || name.Kind() != jsontext.KindString {
			t.miss(where, fmt.Errorf("%w: want a string %s", errNoDevice, t.device))
			return
		}
		if device, err = jsontext.AppendUnquote(nil, name); err != nil || len(device) == 0 {
			t.miss(where, fmt.Errorf("%w: %s is %s", errNoDevice, t.device, name))
			return
		}
	}
	row := t.table.row(device)
	for _, name := range t.table.attributes.Names() {
		if raw, ok := fields[name]; ok {
			if err := t.table.attributes.Set(row, name, raw); err != nil {
				t.miss(where, err)
			}
		}
	}
}

// members returns the members of a JSON object.
func (t *told) members(value []byte) (map[string]jsontext.Value, error) {
	t.buffer = *bytes.NewBuffer(value)
	t.json.Reset(&t.buffer)
	if t.json.PeekKind() != jsontext.KindBeginObject {
		return nil, errors.New("no JSON object")
	}
	if _, err := t.json.ReadToken(); err != nil {
		return nil, err
	}
	fields := map[string]jsontext.Value{}
	for t.json.PeekKind() == jsontext.KindString {
		name, err := t.json.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		raw, err := t.json.ReadValue()
		if err != nil {
			return nil, err
		}
		fields[key] = raw.Clone()
	}
	_, err := t.json.ReadToken()
	return fields, err
}

// columns is a list of devices by columns of text, such as a CSV file has.
type columns struct {
	told   *told
	names  []string
	device int // of names
}

// header begins a list of columns. What the schema needs has to be there: a name
// that was mistyped would be NULL for ever.
func (t *told) header(names []string) (columns, error) {
	c := columns{told: t, names: slices.Clone(names), device: slices.Index(names, t.device)}
	var errs []error
	if c.device < 0 {
		errs = append(errs, fmt.Errorf("no column %s, which says of which device a row is; there are %v", t.device, names))
	}
	for _, want := range t.table.attributes.Lacking(names) {
		errs = append(errs, fmt.Errorf("no column %s, which the schema has from the device; there are %v", want, names))
	}
	return c, errors.Join(errs...)
}

// row puts a row of values; an empty one is none.
func (c columns) row(where string, values []string) {
	device := values[c.device]
	if device == "" {
		c.told.miss(where, fmt.Errorf("%w: %s is empty", errNoDevice, c.told.device))
		return
	}
	row := c.told.table.row([]byte(device))
	for i, name := range c.names {
		if err := c.told.table.attributes.SetText(row, name, values[i]); err != nil {
			c.told.miss(where, err)
		}
	}
}
