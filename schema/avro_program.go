package schema

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/avro"
)

// avroProgram is how the records of one writer schema become rows of one schema
// of ours. A field of the writer's goes to the column of its name, or else of the
// first of its aliases that is a column no field is named after; one that has no
// column goes to extra.
type avroProgram struct {
	fields []avroField
	absent []int // columns that no field of the writer's goes to
}

// avroField is a field of the writer's record.
type avroField struct {
	typ      *avroType
	column   int // unknownColumn if it goes to extra
	kind     kind
	required bool
	name     string // as it stands in extra, quotes included
}

// avroType is a type of the writer's. It may contain itself.
type avroType struct {
	kind avroKind
	// ticks is how many of a long's units are a millisecond since 1970 UTC;
	// 0 says that the number, by its logical type, is something else.
	ticks    int64
	size     int         // of a fixed
	symbols  [][]byte    // of an enum
	items    *avroType   // of an array or map
	members  []avroField // of a record inside the record; they have no column
	branches []*avroType // of a union
}

type avroKind uint8

const (
	avroNull avroKind = iota
	avroBoolean
	avroInt
	avroLong
	avroFloat
	avroDouble
	avroBytes
	avroString
	avroFixed
	avroEnum
	avroArray
	avroMap
	avroRecord
	avroUnion
)

var avroKinds = map[string]avroKind{
	"null": avroNull, "boolean": avroBoolean, "int": avroInt, "long": avroLong, "float": avroFloat, "double": avroDouble,
	"bytes": avroBytes, "string": avroString, "fixed": avroFixed, "enum": avroEnum, "array": avroArray, "map": avroMap,
	"record": avroRecord, "error": avroRecord, "union": avroUnion,
}

// avroTicks is what a long counts by its logical type. A local timestamp is no
// moment: where it was taken is not told.
var avroTicks = map[string]int64{
	"": 1, "timestamp-millis": 1, "timestamp-micros": 1_000, "timestamp-nanos": 1_000_000,
	"local-timestamp-millis": 0, "local-timestamp-micros": 0, "local-timestamp-nanos": 0,
	"date": 0, "time-millis": 0, "time-micros": 0,
}

// compileAvro returns the program for records of the writer's schema; or why none
// of them can be an event of s.
func compileAvro(s *Schema, writer *avro.SchemaNode) (*avroProgram, error) {
	writer = writer.ExpandReferences()
	c := avroCompiler{named: map[string]*avro.SchemaNode{}, done: map[string]*avroType{}}
	c.name(writer)
	if avroKinds[writer.Type] != avroRecord {
		return nil, fmt.Errorf("the writer's schema is of type %s; want a record", writer.Type)
	}
	columns := columnsOf(s, writer.Fields)
	p := new(avroProgram)
	for i, f := range writer.Fields {
		field := c.field(&f, writer.Namespace)
		if c.fault != nil {
			return nil, c.fault
		}
		if field.column = columns[i]; field.column != unknownColumn {
			to := s.Fields[field.column]
			field.kind, field.required = to.kind(), to.Required
			if to.Required && !field.typ.mayFit(field.kind) {
				return nil, fmt.Errorf("field %s of the writer's schema is of type %s, which is never a %s, and required", f.Name, f.Type.Type, to.Type)
			}
		}
		p.fields = append(p.fields, field)
	}
	for i, to := range s.Fields {
		if !slices.Contains(columns, i) {
			if to.Required {
				return nil, fmt.Errorf("the writer's schema, record %s, has no field %s, which is required", writer.Name, to.Name)
			}
			p.absent = append(p.absent, i)
		}
	}
	return p, nil
}

// columnsOf returns the column of each field.
func columnsOf(s *Schema, fields []avro.SchemaField) []int {
	columns := make([]int, len(fields))
	find := func(name string) int {
		return slices.IndexFunc(s.Fields, func(c Column) bool { return c.Name == name && c.sent() })
	}
	for i, f := range fields {
		columns[i] = find(f.Name)
	}
	for i, f := range fields {
		for _, alias := range f.Aliases {
			if at := find(alias); columns[i] == unknownColumn && at >= 0 && !slices.Contains(columns, at) {
				columns[i] = at
			}
		}
	}
	return columns
}

// avroCompiler resolves names: a type that contains itself refers to itself by one.
type avroCompiler struct {
	named map[string]*avro.SchemaNode
	done  map[string]*avroType
	fault error
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// name notes what n defines.
func (c *avroCompiler) name(n *avro.SchemaNode) {
	if _, primitive := avroKinds[n.Type]; !primitive {
		return // a name
	}
	if n.Name != "" {
		c.named[fullName(n)] = n
	}
	for i := range n.Fields {
		c.name(&n.Fields[i].Type)
	}
	for i := range n.Branches {
		c.name(&n.Branches[i])
	}
	if n.Items != nil {
		c.name(n.Items)
	}
	if n.Values != nil {
		c.name(n.Values)
	}
}

// resolve returns what a name means inside the namespace: a name without a dot is
// one of the namespace's, or has none.
func (c *avroCompiler) resolve(name, namespace string) *avro.SchemaNode {
	if n := c.named[namespace+"."+name]; n != nil && namespace != "" {
		return n
	}
	return c.named[name]
}

// field returns a field without a column.
func (c *avroCompiler) field(f *avro.SchemaField, namespace string) avroField {
	return avroField{typ: c.compile(&f.Type, namespace), column: unknownColumn, name: string(quoted(f.Name))}
}

// compile returns the type of a node inside the namespace.
func (c *avroCompiler) compile(n *avro.SchemaNode, namespace string) *avroType {
	k, primitive := avroKinds[n.Type]
	if !primitive {
		definition := c.resolve(n.Type, namespace)
		if definition == nil {
			c.fault = fmt.Errorf("the writer's schema names type %s and does not define it", n.Type)
			return new(avroType)
		}
		return c.compile(definition, definition.Namespace)
	}
	if n.Name != "" {
		namespace = n.Namespace
		if done := c.done[fullName(n)]; done != nil {
			return done
		}
	}
	ticks, known := avroTicks[n.LogicalType]
	if !known {
		ticks = 1 // an unknown logical type is none, as the specification has it
	}
	t := &avroType{kind: k, ticks: ticks, size: n.Size}
	if n.Name != "" {
		c.done[fullName(n)] = t
	}
	for _, s := range n.Symbols {
		t.symbols = append(t.symbols, []byte(s))
	}
	switch k {
	case avroArray:
		t.items = c.compile(n.Items, namespace)
	case avroMap:
		t.items = c.compile(n.Values, namespace)
	case avroRecord:
		for i := range n.Fields {
			t.members = append(t.members, c.field(&n.Fields[i], namespace))
		}
	case avroUnion:
		for i := range n.Branches {
			t.branches = append(t.branches, c.compile(&n.Branches[i], namespace))
		}
	}
	return t
}

func quoted(text string) []byte {
	out, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		panic("BUG: a parsed schema is UTF-8: " + err.Error())
	}
	return out
}

// mayFit says whether a value of t can be one of a column's.
func (t *avroType) mayFit(k kind) bool {
	switch t.kind {
	case avroUnion:
		return slices.ContainsFunc(t.branches, func(b *avroType) bool { return b.mayFit(k) })
	case avroBoolean:
		return k == kindBool
	case avroString:
		return k == kindString || k == kindDict || k == kindTime
	case avroBytes, avroEnum:
		return k == kindString || k == kindDict
	case avroInt, avroLong:
		return k >= kindFloat32 && (k != kindTime || t.ticks > 0)
	case avroFloat, avroDouble:
		return k == kindFloat32 || k == kindFloat64
	}
	return false
}
