package schema

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Parse reads a schema file. Of a file that is YAML all faults are reported at
// once, each with its line, key, value and remedy: keys it does not know,
// values of another type, and what does not go together.
func Parse(text []byte) (*Schema, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var root, second yaml.Node
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return nil, errors.New("schema file: it is empty; telemetry.yaml shows what one says")
	} else if err != nil {
		return nil, fmt.Errorf("schema file: %w", err)
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("schema file: more than one document; drop what follows the line ---")
	}
	s := &Schema{text: string(text)}
	f := file{lines: map[string]int{}, faulty: map[string]bool{}}
	f.read(root.Content[0], "", reflect.ValueOf(s).Elem())
	s.validate(&f)
	if len(f.faults) > 0 {
		return nil, fmt.Errorf("schema file:\n%w", errors.Join(f.faults...))
	}
	return s, nil
}

// file is a schema file while it is read: where its keys stand, and what is
// wrong with them. The yaml package would stop at the first unknown key, name
// Go's types instead of the file's keys, and cut 1.5 down to 1.
type file struct {
	lines  map[string]int  // by key, such as fields[3].id
	faulty map[string]bool // keys that could not be read
	faults []error
}

// fault reports what is wrong at key, unless it or what holds it could not be
// read: then its value is not the file's.
func (f *file) fault(key, format string, args ...any) {
	line := 0
	for at := key; at != ""; at = at[:max(strings.LastIndexByte(at, '.'), 0)] {
		if f.faulty[at] {
			return
		}
		line = cmp.Or(line, f.lines[at]) // a key that is absent is missed where its parent is
	}
	text := fmt.Sprintf(format, args...)
	if line > 0 {
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	f.faults = append(f.faults, errors.New(text))
}

// misread reports that key could not be read.
func (f *file) misread(key, format string, args ...any) {
	f.fault(key, format, args...)
	f.faulty[key] = true
}

// read sets v, at key, to what n says.
func (f *file) read(n *yaml.Node, key string, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	f.lines[key] = n.Line
	switch v.Interface().(type) {
	case time.Time, time.Duration:
		f.scalar(n, key, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.mapping(n, key, v)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			f.misread(key, "%s is %s; want a list", key, written(n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			f.read(item, fmt.Sprintf("%s[%d]", key, i), v.Index(i))
		}
	default:
		f.scalar(n, key, v)
	}
}

func (f *file) mapping(n *yaml.Node, key string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		f.misread(key, "%s is %s; want keys and values", cmp.Or(key, "the file"), written(n))
		return
	}
	fields, known := map[string]reflect.Value{}, []string{}
	for i := range v.NumField() {
		name, ok := v.Type().Field(i).Tag.Lookup("yaml")
		if !ok {
			continue
		}
		fields[name] = v.Field(i)
		known = append(known, name)
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		path := strings.TrimPrefix(key+"."+name, ".")
		field, ok := fields[name]
		switch {
		case !ok:
			f.lines[path] = n.Content[i].Line
			f.misread(path, "%s: unknown key; want one of %s", path, strings.Join(known, ", "))
		case seen[name]:
			f.lines[path] = n.Content[i].Line
			f.misread(path, "%s: the key is there already; drop one", path)
		default:
			f.read(value, path, field)
		}
		seen[name] = true
	}
}

// scalar reads a single value. The yaml package converts it; which of its
// types may become which of ours is decided here.
func (f *file) scalar(n *yaml.Node, key string, v reflect.Value) {
	var want string
	var tags []string
	switch v.Interface().(type) {
	case time.Time:
		want, tags = "a time such as 2015-01-01T00:00:00Z", []string{"!!timestamp", "!!str"}
	case time.Duration:
		want, tags = "a duration such as 24h", []string{"!!str"}
	case int:
		want, tags = "a whole number", []string{"!!int"}
	case float64:
		want, tags = "a number such as 0.1", []string{"!!float", "!!int"}
	case bool:
		want, tags = "true or false", []string{"!!bool"}
	case Lifetime:
		want, tags = "a number of days such as 365d", []string{"!!str"}
	default: // text of some type
		want, tags = "text; quote it", []string{"!!str"}
	}
	for _, tag := range tags {
		if n.Kind == yaml.ScalarNode && n.Tag == tag && n.Decode(v.Addr().Interface()) == nil {
			return
		}
	}
	f.misread(key, "%s is %s; want %s", key, written(n), want)
}

// written is n as a fault quotes it.
func written(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	case n.Tag == "!!str":
		return fmt.Sprintf("%q", n.Value)
	}
	return n.Value
}
