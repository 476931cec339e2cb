package canary

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/pipeline"
	"penstock/schema"
)

// writer writes canaries as devices write their events: with the fields that the
// schema requires and no others.
type writer struct {
	schema   *schema.Schema
	encoding schema.Encoding
	framing  schema.Framing
	device   string
}

// newWriter returns a writer of a topic's events. It is an error if canaries cannot
// be written as the topic's records are.
func newWriter(s *schema.Schema, k pipeline.Kafka, device string) (*writer, error) {
	const remedy = "set watch.canary_every to 0s, to watch without canaries"
	switch {
	case k.Registry.URL != "":
		return nil, fmt.Errorf("kafka.registry.url is %q, and canaries have no schema in a registry; %s", k.Registry.URL, remedy)
	case k.Encoding != schema.JSON && k.Encoding != schema.Protobuf:
		return nil, fmt.Errorf("kafka.encoding is %s, and canaries are written as %s or %s; %s", k.Encoding, schema.JSON, schema.Protobuf, remedy)
	}
	return &writer{schema: s, encoding: k.Encoding, framing: k.Framing, device: device}, nil
}

// deviceOf is the device that canaries of a partition are of.
func (w *writer) deviceOf(partition int32) string {
	return fmt.Sprintf("%s-%d", w.device, partition)
}

// value returns the value of a canary's record.
func (w *writer) value(c Canary) []byte {
	if w.encoding == schema.Protobuf {
		return w.protobuf(c)
	}
	b := []byte{'{'}
	for _, f := range w.schema.Fields {
		if !f.Required {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, f.Name), ':')
		switch text, number := w.field(f, c); f.Type {
		case schema.String:
			quoted, err := json.Marshal(text)
			if err != nil {
				panic("BUG: a string has no JSON: " + err.Error())
			}
			b = append(b, quoted...)
		case schema.Bool:
			b = append(b, "false"...)
		default:
			b = strconv.AppendUint(b, number, 10)
		}
	}
	b = append(b, '}')
	if w.framing == schema.Batched {
		return append(append([]byte{'['}, b...), ']')
	}
	return b
}

// protobuf is value for a message as [schema.Schema.Proto] declares it. A zero is
// written too: a required field has to be there.
func (w *writer) protobuf(c Canary) (b []byte) {
	for _, f := range w.schema.Fields {
		if !f.Required {
			continue
		}
		text, number := w.field(f, c)
		id := protowire.Number(f.ID)
		switch f.Type {
		case schema.String:
			b = protowire.AppendString(protowire.AppendTag(b, id, protowire.BytesType), text)
		case schema.Float32:
			b = protowire.AppendFixed32(protowire.AppendTag(b, id, protowire.Fixed32Type), math.Float32bits(float32(number)))
		case schema.Float64:
			b = protowire.AppendFixed64(protowire.AppendTag(b, id, protowire.Fixed64Type), math.Float64bits(float64(number)))
		default: // 0 is the same for signed numbers
			b = protowire.AppendVarint(protowire.AppendTag(b, id, protowire.VarintType), number)
		}
	}
	return b
}

// field returns what a field has in a canary: text if it is a string, a number
// otherwise. What says neither which canary it is nor when is 0, or the device's
// prefix: analysts that group by such a field have a group of canaries.
func (w *writer) field(f schema.Column, c Canary) (text string, number uint64) {
	one := len(w.schema.Identity) == 1 && f.Name == w.schema.Identity[0]
	switch {
	case f.Name == w.schema.Device:
		return w.deviceOf(c.Partition), 0
	case one && f.Type == schema.String:
		return fmt.Sprintf("%s-%d-%d", w.device, c.Partition, c.Number), 0
	case one:
		return "", oneNumber(c)
	case f.Name == w.schema.Identity[len(w.schema.Identity)-1]:
		return "", c.Number
	case f.Type == schema.TimestampMS:
		return "", uint64(c.At)
	}
	return w.device, 0
}

// oneNumber is the identity of an event that is known by a number alone, which it
// shares with those of devices: none of them may be taken for a resend of a canary. So
// the highest bit is set, which counters and numbers made of a time do not have.
func oneNumber(c Canary) uint64 { return 1<<63 | c.Number<<16 | uint64(uint16(c.Partition)) }
