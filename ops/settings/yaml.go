package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlParser is a koanf parser that leaves every value as it is written and
// remembers its line. So a value means the same in the file, the environment
// and a flag, and what YAML makes of a word is nobody's surprise: a topic
// called no stays "no", a password 0123 is not 83.
//
// It is not goccy/go-yaml: that takes a:9092 in a list inside braces for a
// mapping.
type yamlParser struct {
	path  string
	given map[string]any // nil, a string or a []string by full key
	lines map[string]int // of the keys in given
	// faults are those of the form. Whether a key is known and its value fits
	// is for [fields.set] to say. They are not returned as an error, so that
	// what is wrong elsewhere in the file is reported with them.
	faults []error
}

// Unmarshal returns the settings by full key.
func (p *yamlParser) Unmarshal(text []byte) (map[string]any, error) {
	p.given, p.lines = make(map[string]any), make(map[string]int)
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for i := 0; ; i++ {
		var doc yaml.Node
		err := documents.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return p.given, nil
		}
		if err != nil {
			p.faults = append(p.faults, fmt.Errorf("%s: %s", p.path, strings.TrimPrefix(err.Error(), "yaml: ")))
			return p.given, nil
		}
		switch body := doc.Content[0]; {
		case i > 0:
			p.fault(body, "a second document begins; a settings file holds one")
			return p.given, nil
		case body.Kind == yaml.MappingNode:
			p.section("", body)
		case body.Tag != "!!null": // a file of comments gives nothing
			p.fault(body, "this is no setting; write key: value")
		}
	}
}

// Marshal completes koanf's interface.
func (p *yamlParser) Marshal(given map[string]any) ([]byte, error) { return yaml.Marshal(given) }

func (p *yamlParser) fault(at *yaml.Node, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%s:%d: "+format, append([]any{p.path, at.Line}, args...)...))
}

// section notes what the keys of a mapping are given.
func (p *yamlParser) section(prefix string, n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Kind != yaml.ScalarNode || name.Tag == "!!merge" {
			p.fault(name, "this cannot be a key; write key: value")
			continue
		}
		key := prefix + name.Value
		switch {
		case value.Kind == yaml.MappingNode && len(value.Content) == 0: // {}, as a section that is only named
			p.put(key, name, nil)
		case value.Kind == yaml.MappingNode:
			p.section(key+delim, value)
		case value.Kind == yaml.AliasNode:
			p.fault(value, "%s is given by an alias; write the value itself", key)
		case value.Kind == yaml.SequenceNode:
			p.list(key, name, value)
		case value.Tag == "!!null":
			p.put(key, name, nil)
		default:
			p.put(key, name, value.Value)
		}
	}
}

func (p *yamlParser) list(key string, at, n *yaml.Node) {
	list := make([]string, 0, len(n.Content))
	for _, element := range n.Content {
		if element.Kind != yaml.ScalarNode {
			p.fault(element, "%s has an element that is not a single value; write it as text", key)
			return
		}
		list = append(list, element.Value)
	}
	p.put(key, at, list)
}

func (p *yamlParser) put(key string, at *yaml.Node, value any) {
	if first, ok := p.lines[key]; ok {
		p.fault(at, "%s was given in line %d already; keep one", key, first)
		return
	}
	p.given[key] = value
	p.lines[key] = at.Line
}
