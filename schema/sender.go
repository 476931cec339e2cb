package schema

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
)

// Sender returns the device that a value says it is of, as far as the value can
// be read: it may be cut off, or malformed further on. It is empty if what can be
// read does not say. No row is made of it; it is for whoever looks for the device
// that sent what was rejected.
func (s *Schema) Sender(e Encoding, value []byte) string {
	switch e {
	case JSON:
		return s.jsonSender(value)
	case Protobuf:
		return s.protobufSender(value)
	}
	return ""
}

func (s *Schema) jsonSender(value []byte) string {
	in := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	for { // an object in arrays is a device's, too
		begin, err := in.ReadToken()
		if err != nil || begin.Kind() != '[' && begin.Kind() != '{' {
			return ""
		}
		if begin.Kind() == '{' {
			break
		}
	}
	for in.PeekKind() == '"' {
		name, err := in.ReadToken()
		if err != nil {
			return ""
		}
		if name.String() != s.Device {
			if in.SkipValue() != nil {
				return ""
			}
			continue
		}
		if device, err := in.ReadToken(); err == nil && device.Kind() == '"' {
			return device.String()
		}
		return ""
	}
	return ""
}

func (s *Schema) protobufSender(value []byte) (device string) {
	field, _ := s.field(s.Device)
	for len(value) > 0 {
		number, wire, n := protowire.ConsumeTag(value)
		if n < 0 {
			break
		}
		size := protowire.ConsumeFieldValue(number, wire, value[n:])
		if size < 0 {
			break
		}
		if int(number) == field.ID && wire == protowire.BytesType {
			text, _ := protowire.ConsumeBytes(value[n:])
			device = string(text)
		}
		value = value[n+size:]
	}
	return device
}
