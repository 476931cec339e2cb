package schema

import (
	"encoding/binary"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Writers is the schemas that records of a topic were written by, and by which a
// decoder reads them. Of records in a schema registry's wire format it has those
// that were learned, by id; for it does no I/O. Decoders on several goroutines
// share one, while others learn.
type Writers struct {
	encoding Encoding
	plain    *writer // of records that name none; nil if each does
	learning sync.Mutex
	byID     atomic.Pointer[map[uint32]*writer] // replaced, never changed
}

// Written is a writer's schema, as a registry tells it.
type Written struct {
	// Encoding is what it is a schema of.
	Encoding Encoding
	Text     string
	// References are the schemas its text refers to, and theirs, each after those
	// it refers to itself.
	References []Reference
}

// Reference is a schema that others refer to by its name.
type Reference struct{ Name, Text string }

// writer is a writer's schema, ready to be compiled for one of ours; or the fault
// for which no record of it can be read.
type writer struct {
	avro     *avro.SchemaNode
	messages protoreflect.FileDescriptor
	fault    error
	// until is when it is to be asked for again, zero for never: nobody knew it.
	until time.Time
}

// maxDoubted is how many schemas are remembered that nobody knows. Past them all are
// forgotten: a device may name ever new ones.
const maxDoubted = 1024

// PlainAvro returns the writers of a topic of Avro without a registry: all of its
// records were written by the Avro schema in text.
func PlainAvro(text string) (*Writers, error) {
	w := newWriter(Avro, Written{Encoding: Avro, Text: text})
	if w.fault != nil {
		return nil, w.fault
	}
	return &Writers{encoding: Avro, plain: w}, nil
}

// RegisteredWriters returns the writers of a topic whose records begin with the
// id of their schema, none of which is known yet.
func RegisteredWriters(e Encoding) *Writers {
	w := &Writers{encoding: e}
	w.byID.Store(&map[uint32]*writer{})
	return w
}

// Missing returns the id of the schema that has to be learned before the value of
// a record can be decoded, if any has. What a JSON record says it says by itself.
func (w *Writers) Missing(value []byte) (id uint32, missing bool) {
	if w.plain != nil || w.encoding == JSON || len(value) < frameBytes || value[0] != frameMagic {
		return 0, false
	}
	id = binary.BigEndian.Uint32(value[1:])
	one := w.of(id)
	return id, one == nil || !one.until.IsZero() && time.Now().After(one.until)
}

// Learn notes the schema of an id, for ever: registries never change one. One
// that cannot be used makes rejects of its records.
func (w *Writers) Learn(id uint32, text Written) {
	w.put(id, newWriter(w.encoding, text))
}

// Refuse notes for ever why the schema of an id cannot be used.
func (w *Writers) Refuse(id uint32, why error) { w.put(id, &writer{fault: why}) }

// Doubt notes that nobody knows the schema of an id, for the reason, and that it is
// not missing until a time.
func (w *Writers) Doubt(id uint32, why error, until time.Time) {
	w.put(id, &writer{fault: why, until: until})
}

// Doubted says whether nobody knew the schema of the id when it was asked for last.
func (w *Writers) Doubted(id uint32) bool {
	one := w.of(id)
	return one != nil && !one.until.IsZero()
}

func (w *Writers) put(id uint32, one *writer) {
	w.learning.Lock()
	defer w.learning.Unlock()
	all := maps.Clone(*w.byID.Load())
	all[id] = one
	doubted := func(_ uint32, one *writer) bool { return !one.until.IsZero() }
	n := 0
	for id, one := range all {
		if doubted(id, one) {
			n++
		}
	}
	if n > maxDoubted {
		maps.DeleteFunc(all, doubted)
		all[id] = one
	}
	w.byID.Store(&all)
}

// of returns the writer of an id, or nil.
func (w *Writers) of(id uint32) *writer { return (*w.byID.Load())[id] }

func newWriter(e Encoding, text Written) *writer {
	w := new(writer)
	switch {
	case text.Encoding != e:
		w.fault = fmt.Errorf("it is a schema of %s; the topic's encoding is %s", text.Encoding, e)
	case e == Avro:
		w.avro, w.fault = parseAvro(text)
	case e == Protobuf:
		w.messages, w.fault = compileMessages(text)
	}
	return w
}

func parseAvro(text Written) (*avro.SchemaNode, error) {
	var all avro.SchemaCache
	for _, r := range text.References {
		if _, err := all.Parse(r.Text); err != nil {
			return nil, fmt.Errorf("reference %s: %w", r.Name, err)
		}
	}
	s, err := all.Parse(text.Text)
	if err != nil {
		return nil, fmt.Errorf("it is no Avro schema: %w", err)
	}
	return s.Root(), nil
}

// Confluent's wire format: a zero, the id of the schema in four bytes, big-endian,
// and the value. https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
const (
	frameMagic = 0
	frameBytes = 5
)

// writtenReader is the reader of records by the schemas of their writers: of
// Avro, and of any encoding in a registry's wire format.
type writtenReader struct {
	schema  *Schema
	writers *Writers
	limits  *limits
	plain   reader // of all records of JSON, or of the one writer
	byID    map[uint32]writtenBy
}

// writtenBy is how the records of one writer are read, or why they are rejected.
type writtenBy struct {
	fields reader
	rej    *Rejection
}

func newWrittenReader(s *Schema, w *Writers, limits *limits) (*writtenReader, error) {
	d := &writtenReader{schema: s, writers: w, limits: limits, byID: map[uint32]writtenBy{}}
	var err error
	switch {
	case w.plain != nil:
		d.plain, err = w.plain.reader(s, limits)
	case w.encoding == JSON:
		d.plain = newScanner(s, limits)
	}
	return d, err
}

// reader returns a reader of what w wrote, for events of s.
func (w *writer) reader(s *Schema, limits *limits) (reader, error) {
	if w.fault != nil {
		return nil, w.fault
	}
	if w.messages != nil {
		return &messageReader{schema: s, file: w.messages, limits: limits, byIndex: map[string]writtenBy{}, byName: map[protoreflect.FullName]writtenBy{}}, nil
	}
	program, err := compileAvro(s, w.avro)
	if err != nil {
		return nil, err
	}
	return &avroReader{schema: s, program: program, limits: limits}, nil
}

// read implements reader.
func (d *writtenReader) read(value []byte, b *Block) (extra []byte, rej *Rejection) {
	if d.writers.plain != nil {
		return d.plain.read(value, b)
	}
	switch {
	case len(value) < frameBytes:
		return nil, reject(ReasonMalformed, "the record has %d bytes; want a zero and the four bytes of a schema's id before its value", len(value))
	case value[0] != frameMagic:
		return nil, reject(ReasonMalformed, "the record begins with byte %#02x; want a zero and the id of a schema, since kafka.registry is set", value[0])
	}
	payload := value[frameBytes:]
	if d.plain != nil {
		return d.plain.read(payload, b)
	}
	id := binary.BigEndian.Uint32(value[1:])
	by, known := d.byID[id]
	if !known {
		by = d.learn(id)
	}
	if by.rej != nil {
		return nil, by.rej
	}
	return by.fields.read(payload, b)
}

// learn prepares to read what the id's writer wrote.
func (d *writtenReader) learn(id uint32) writtenBy {
	w := d.writers.of(id)
	if w == nil { // it was one of those nobody knew, and there were too many of them
		return writtenBy{rej: reject(ReasonSchema, "schema id %d: nobody knows it", id)}
	}
	var by writtenBy
	fields, err := w.reader(d.schema, d.limits)
	if err != nil {
		by.rej = reject(ReasonSchema, "schema id %d: %v", id, err)
	}
	by.fields = fields
	if w.until.IsZero() {
		d.byID[id] = by
	}
	return by
}
