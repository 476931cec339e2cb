package schema

import (
	"bytes"
	"math"
	"strconv"
)

// conversion is the change of unit of a column of floats.
type conversion struct {
	column        int
	scale, offset float64
}

func newConversions(s *Schema) []conversion {
	var all []conversion
	for i, c := range s.Fields {
		if c.converted() {
			all = append(all, conversion{i, c.scale(), c.Offset})
		}
	}
	return all
}

// convert changes the units of the event that came last, whichever reader read
// it: predicted, parsed and binary values are the same here. It returns extra,
// with what the device sent of a value that is beyond its column in the column's
// unit; or that a required one is.
//
// The factor is applied in float64 and rounded once.
func (d *Decoder) convert(b *Block, extra []byte) ([]byte, *Rejection) {
	for _, c := range d.conversions {
		field := d.schema.Fields[c.column]
		var sent float64
		bits, fits := 64, true
		switch col := b.columns[c.column].(type) {
		case *fixed[float64]:
			if col.isNull(len(col.values) - 1) {
				continue
			}
			last := &col.values[len(col.values)-1]
			sent = *last
			*last = sent*c.scale + c.offset
			fits = isFinite64(math.Float64bits(*last))
		case *fixed[float32]:
			if col.isNull(len(col.values) - 1) {
				continue
			}
			last := &col.values[len(col.values)-1]
			sent, bits = float64(*last), 32
			*last = float32(sent*c.scale + c.offset)
			fits = isFinite32(math.Float32bits(*last))
		}
		if fits {
			continue
		}
		if field.Required {
			return nil, reject(ReasonType, "field %s is %v, which its scale and offset take beyond a %s", field.Name, sent, field.Type)
		}
		b.columns[c.column].undo()
		b.columns[c.column].appendZero()
		extra = bytes.Clone(bytes.TrimSuffix(extra, []byte{'}'})) // rare, and nobody's scratch
		extra = appendMember(extra, `"`+field.Name+`"`, strconv.AppendFloat(nil, sent, 'g', -1, bits))
		extra = append(extra, '}')
	}
	return extra, nil
}
