package schema

import "math"

// Source is where the value of a field comes from.
type Source string

// FromDevice says that the field is an attribute of the device, of the same name, and
// [Block.Enrich] fills it. In the record a member of that name is one the schema
// does not know: it goes to extra.
const FromDevice Source = "device"

// The attributes by which a device's values are calibrated: Column.Calibrate and
// one of these.
const (
	scaleSuffix  = "_scale"
	offsetSuffix = "_offset"
)

// sent says whether the value stands in the record.
func (c Column) sent() bool { return c.From == "" }

// converted says whether what is stored is not what is sent.
func (c Column) converted() bool { return c.Scale != 0 || c.Offset != 0 }

// scale returns the factor of the conversion.
func (c Column) scale() float64 {
	if c.Scale == 0 {
		return 1
	}
	return c.Scale
}

// validateSource reports what is wrong with where a field's value comes from and
// what is made of it; at is the field's key of that name.
func (s *Schema) validateSource(c Column, f *file, at func(key string) string) {
	check := func(key string, ok bool, format string, args ...any) {
		if !ok {
			f.fault(at(key), format, args...)
		}
	}
	device := c.From == FromDevice
	check("from", c.From == "" || device, "field %s: from is %q; want %s, or nothing for what the record says", c.Name, c.From, FromDevice)
	check("from", !device || !c.Required, "field %s: from %s and required together; drop required, a device may be unknown", c.Name, c.From)
	check("from", !device || c.Type != String || c.LowCardinality, "field %s: from %s and not low_cardinality; add it, devices are fewer than events", c.Name, c.From)
	check("from", !device || !c.Type.known() || c.Type == String || c.Nullable, "field %s: from %s and not nullable; add it, a device may be unknown", c.Name, c.From)

	float := c.Type == Float32 || c.Type == Float64 || !c.Type.known()
	made := func(key string, given bool) {
		check(key, !given || !device, "field %s: %s and from %s together; drop one, an attribute is taken as it is", c.Name, key, c.From)
		check(key, !given || float, "field %s: %s is for %s and %s, not %s, which would be rounded", c.Name, key, Float32, Float64, c.Type)
		check(key, !given || device || c.Nullable || c.Required, "field %s: %s needs nullable or required, or what is absent would be taken for 0", c.Name, key)
	}
	_, scaled := f.lines[at("scale")]
	made("scale", scaled)
	made("offset", c.Offset != 0)
	made("calibrate", c.Calibrate != "")
	check("scale", !scaled || c.Scale != 0 && isFinite64(math.Float64bits(c.Scale)), "field %s: scale is %v; want a number that is not 0", c.Name, c.Scale)
	check("offset", isFinite64(math.Float64bits(c.Offset)), "field %s: offset is %v; want a number", c.Name, c.Offset)
	for _, suffix := range []string{scaleSuffix, offsetSuffix} {
		other, _ := s.field(c.Calibrate + suffix)
		check("calibrate", c.Calibrate == "" || other.From != FromDevice || other.Type == Float64,
			"field %s: calibrate needs attribute %s, which is a field of type %s; make that a %s", c.Name, other.Name, other.Type, Float64)
	}
	check("calibrate", c.Calibrate == "" || identifier.MatchString(c.Calibrate), "field %s: calibrate is %q; want letters, digits and _, at most 64", c.Name, c.Calibrate)
}
