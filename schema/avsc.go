package schema

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Avro returns the text of an Avro schema whose record is an event of s: what
// devices that send Avro may write by. They may as well write by another: fields
// are found by their names, see [avroProgram].
//
// What an event may lack is a union with null, null first. Unsigned numbers are
// written as signed ones, since Avro has no others: a uint64 beyond 2^63-1 cannot
// be sent.
func (s *Schema) Avro() string {
	type field struct {
		Name    string         `json:"name"`
		Type    jsontext.Value `json:"type"`
		Default jsontext.Value `json:"default,omitzero"`
		Doc     string         `json:"doc,omitzero"`
	}
	record := struct {
		Type      string  `json:"type"`
		Name      string  `json:"name"`
		Namespace string  `json:"namespace"`
		Doc       string  `json:"doc"`
		Fields    []field `json:"fields"`
	}{Type: "record", Name: s.protoMessage(), Namespace: protoPackage}
	record.Doc = "Made of schema " + s.Name + " by \"ingest schema avro\"."
	for _, c := range s.Fields {
		if !c.sent() {
			continue
		}
		typ := `"` + typeViews[c.Type].avro + `"`
		if c.Type == TimestampMS {
			typ = `{"type":"long","logicalType":"timestamp-millis"}`
		}
		f := field{Name: c.Name, Type: jsontext.Value(typ), Doc: strings.Join(c.protoComment(), " ")}
		if !c.Required {
			f.Type, f.Default = jsontext.Value(`["null",`+typ+`]`), jsontext.Value("null")
		}
		record.Fields = append(record.Fields, f)
	}
	text, err := json.Marshal(record)
	if err == nil {
		err = (*jsontext.Value)(&text).Indent(jsontext.WithIndent("  "))
	}
	if err != nil {
		panic("BUG: an Avro schema that is no JSON: " + err.Error())
	}
	return string(text) + "\n"
}
