package schema

import (
	"errors"
	"fmt"
	"slices"
)

// Extends reports every reason why s is not old with fields added: what is
// stored under old has to stay readable under s, and a node of old beside
// one of s must store the same rows. Fields that devices no longer send
// stay, since days that have them do.
func (s *Schema) Extends(old *Schema) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.Name != old.Name {
		fault("the name is %s, and was %s; another name is another table", s.Name, old.Name)
	}
	if !slices.Equal(s.Identity, old.Identity) {
		fault("identity is %v, and was %v; which events are the same cannot change", s.Identity, old.Identity)
	}
	if s.Device != old.Device || s.Time.Field != old.Time.Field {
		fault("device is %s and time.field %s, and they were %s and %s; tables are sorted by them", s.Device, s.Time.Field, old.Device, old.Time.Field)
	}
	if s.Version < old.Version {
		fault("version is %d, and was %d; it grows by one with every change", s.Version, old.Version)
	}
	for _, was := range old.Fields {
		is, ok := s.field(was.Name)
		switch {
		case !ok:
			fault("field %s is gone; put it back: a field no device sends any more stays", was.Name)
		case is.ID != was.ID || is.Type != was.Type || is.Required != was.Required || is.Nullable != was.Nullable || is.LowCardinality != was.LowCardinality:
			fault("field %s is %s, and was %s; add a field of another name instead", was.Name, is.shape(), was.shape())
		}
	}
	for _, is := range s.Fields {
		if _, ok := old.field(is.Name); ok {
			continue
		}
		if is.Required {
			fault("field %s is new and required; devices that do not send it yet would have their records rejected", is.Name)
		}
		if is.Since <= old.Version || s.Version == old.Version {
			fault("field %s is new and since version %d; the version before it is %d: raise version, and say so in since", is.Name, max(1, is.Since), old.Version)
		}
	}
	return errors.Join(faults...)
}

// shape is what of a column cannot change.
func (c Column) shape() string {
	text := fmt.Sprintf("%s with id %d", c.Type, c.ID)
	for _, is := range []struct {
		so   bool
		text string
	}{{c.Required, "required"}, {c.Nullable, "nullable"}, {c.LowCardinality, "low_cardinality"}} {
		if is.so {
			text += ", " + is.text
		}
	}
	return text
}

// With returns the schema with the fields that another version of it has beyond
// it, which is what an event is while the tables are ahead of the schema file.
// Everything else is as the file says. It is an error if that version does not
// extend this one, also where it has the same number.
func (s *Schema) With(ready *Schema) (*Schema, error) {
	if ready.Version == s.Version && len(ready.Fields) != len(s.Fields) {
		return nil, fmt.Errorf("the schema file and what is recorded beside the tables are both version %d, and have %d and %d fields; raise version in the file", s.Version, len(s.Fields), len(ready.Fields))
	}
	if err := ready.Extends(s); err != nil {
		return nil, fmt.Errorf("version %d, which is recorded beside the tables, does not extend the schema file, version %d: %w; \"ingest schema show\" prints it", ready.Version, s.Version, err)
	}
	if ready.Version == s.Version {
		return s, nil
	}
	merged := *s
	merged.Version, merged.text = ready.Version, ""
	merged.Fields = slices.Clone(s.Fields)
	for _, c := range ready.Fields {
		if _, ok := s.field(c.Name); !ok {
			merged.Fields = append(merged.Fields, c)
		}
	}
	return &merged, nil
}
