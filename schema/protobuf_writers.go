package schema

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// registeredProto is what a registry's .proto file is compiled as; it has no name
// of its own, and none of those it imports has this one.
const registeredProto = "<registered>"

// compileMessages compiles a registry's .proto file.
func compileMessages(text Written) (protoreflect.FileDescriptor, error) {
	sources := map[string]string{registeredProto: text.Text}
	for _, r := range text.References {
		sources[r.Name] = r.Text
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)})}
	files, err := compiler.Compile(context.Background(), registeredProto)
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

// messageReader is the reader of protobuf in a registry's wire format: before the
// message stands which of its schema's it is, as the index among the messages of
// the file, then of those inside that one and so on.
type messageReader struct {
	schema  *Schema
	file    protoreflect.FileDescriptor
	limits  *limits
	byIndex map[string]writtenBy // by the bytes that say which
	// byName has the readers by the message: those of the file, so they are few.
	byName map[protoreflect.FullName]writtenBy
}

// read implements reader.
func (d *messageReader) read(value []byte, b *Block) (extra []byte, rej *Rejection) {
	index, end := messageIndex(value)
	if end < 0 {
		return nil, reject(ReasonMalformed, "the record does not say which message of its schema it is")
	}
	by, known := d.byIndex[string(value[:end])]
	if !known {
		by = d.learn(index)
		if len(d.byIndex) < maxIndexes {
			d.byIndex[string(value[:end])] = by
		}
	}
	if by.rej != nil {
		return nil, by.rej
	}
	return by.fields.read(value[end:], b)
}

// maxIndexes bounds the ways of saying which message that are remembered: a number
// may be written in many, and there may be no message of it.
const maxIndexes = 256

// learn prepares to read the message at the index.
func (d *messageReader) learn(index []int) (by writtenBy) {
	message, err := d.message(index)
	if err != nil {
		by.rej = reject(ReasonSchema, "%v", err)
		return by
	}
	by, known := d.byName[message.FullName()]
	if known {
		return by
	}
	if numbers, err := d.numbers(message); err != nil {
		by.rej = reject(ReasonSchema, "%v", err)
	} else {
		by.fields = newProtobufReaderBy(d.schema, numbers, d.limits)
	}
	d.byName[message.FullName()] = by
	return by
}

// maxMessageDepth is how deep in others a message is looked for.
const maxMessageDepth = 16

// messageIndex reads an index: its length and its numbers, in zigzag; or a single
// zero, which is the file's first message. end is where it ends, or -1.
func messageIndex(value []byte) (index []int, end int) {
	n, size := binary.Varint(value)
	if size <= 0 || n < 0 || n > maxMessageDepth {
		return nil, -1
	}
	for end = size; n > 0; n-- {
		i, size := binary.Varint(value[end:])
		if size <= 0 || i < 0 || i > 1<<16 {
			return nil, -1
		}
		index, end = append(index, int(i)), end+size
	}
	if index == nil {
		index = []int{0}
	}
	return index, end
}

// maxFieldNumber is the largest of a field that has a column.
const maxFieldNumber = 1 << 12

// message returns the message at the index.
func (d *messageReader) message(index []int) (message protoreflect.MessageDescriptor, err error) {
	messages := d.file.Messages()
	for _, i := range index {
		if i >= messages.Len() {
			return nil, fmt.Errorf("the schema has no message %v", index)
		}
		message = messages.Get(i)
		messages = message.Messages()
	}
	return message, nil
}

// numbers returns the columns' fields in the message: those of their name, or of the name that [Schema.Proto] gives them, and of their very type. A
// column whose field is of another type has none: it goes to extra by its number.
func (d *messageReader) numbers(message protoreflect.MessageDescriptor) ([]protowire.Number, error) {
	numbers := make([]protowire.Number, len(d.schema.Fields))
	for i, c := range d.schema.Fields {
		if !c.sent() {
			continue
		}
		want := typeViews[c.Type].proto
		f := message.Fields().ByName(protoreflect.Name(c.Name))
		if given := fmt.Sprintf("%s_%d", c.Name, c.ID); f == nil {
			if _, others := d.schema.field(given); !others {
				f = message.Fields().ByName(protoreflect.Name(given))
			}
		}
		fits := f != nil && f.Kind().String() == want && !f.IsList() && f.Number() <= maxFieldNumber
		switch {
		case fits:
			numbers[i] = f.Number()
		case !c.Required:
		case f == nil:
			return nil, fmt.Errorf("message %s has no field %s, which is required", message.FullName(), c.Name)
		default:
			return nil, fmt.Errorf("field %s of message %s is %s %s = %d, and required; want %s, its number at most %d",
				f.Name(), message.FullName(), f.Cardinality(), f.Kind(), f.Number(), want, maxFieldNumber)
		}
	}
	return numbers, nil
}
