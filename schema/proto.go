package schema

import (
	"fmt"
	"strings"
)

// protoPackage is the package of the generated message.
const protoPackage = "penstock"

// Proto returns the text of the .proto file (proto3) whose message is an event
// of s: what devices that send protobuf encode. A field's number is its id, so
// that a message written by an older or newer schema is read as what it is.
func (s *Schema) Proto() string {
	var b strings.Builder
	fmt.Fprintf(&b, "// Made of schema %s, version %d, by \"ingest schema proto\". Change the schema and not this file.\n", s.Name, s.Version)
	fmt.Fprintf(&b, "syntax = \"proto3\";\n\npackage %s;\n\nmessage %s {\n", protoPackage, s.protoMessage())
	taken := map[string]bool{}
	first := true
	for _, c := range s.Fields {
		if !c.sent() {
			continue
		}
		if !first {
			b.WriteString("\n")
		}
		first = false
		comment, name := c.protoComment(), c.Name
		for taken[protoJSONName(name)] {
			name = fmt.Sprintf("%s_%d", name, c.ID)
		}
		taken[protoJSONName(name)] = true
		if name != c.Name {
			comment = append(comment, fmt.Sprintf("It is %s in the schema, which would be the name of another field in protobuf's JSON.", c.Name))
		}
		for _, line := range comment {
			fmt.Fprintf(&b, "  // %s\n", line)
		}
		fmt.Fprintf(&b, "  optional %s %s = %d;\n", typeViews[c.Type].proto, name, c.ID)
	}
	b.WriteString("}\n")
	return b.String()
}

// protoMessage returns the schema's name in CamelCase.
func (s *Schema) protoMessage() string {
	var b strings.Builder
	for word := range strings.SplitSeq(s.Name, "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	if name := b.String(); name != "" && (name[0] < '0' || name[0] > '9') {
		return name
	}
	return "Event" + b.String() // of a name such as _1
}

// protoJSONName returns the name of a field in protobuf's JSON: without _, and
// in upper case after one. Compilers refuse two fields of one such name, also
// if they are told another. protoc's ToJsonName.
func protoJSONName(name string) string {
	var b strings.Builder
	upper := false
	for _, c := range []byte(name) {
		switch {
		case c == '_':
			upper = true
			continue
		case upper && c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		b.WriteByte(c)
		upper = false
	}
	return b.String()
}

// protoComment says what a sender has to know of c and the type does not say.
func (c Column) protoComment() []string {
	lines := strings.Split(strings.TrimSpace(c.Doc), "\n")
	if lines[0] == "" {
		lines = nil
	}
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if c.Unit != "" {
		lines = append(lines, "Unit: "+c.Unit+".")
	}
	if c.converted() {
		lines = append(lines, fmt.Sprintf("Sent raw: what is stored, in that unit, is this * %v + %v.", c.scale(), c.Offset))
	}
	switch c.Type {
	case Int8:
		lines = append(lines, "Range: -128 to 127.")
	case Int16:
		lines = append(lines, "Range: -32768 to 32767.")
	case UInt8:
		lines = append(lines, "Range: 0 to 255.")
	case UInt16:
		lines = append(lines, "Range: 0 to 65535.")
	case TimestampMS:
		lines = append(lines, "Milliseconds since 1970 UTC.")
	}
	if c.Required {
		lines = append(lines, "Required: an event without it is rejected.")
	}
	return lines
}
