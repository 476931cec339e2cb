package schema_test

import (
	"bytes"
	"math"
	"time"

	"penstock/schema"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// reference says what a record has to become, by unmarshalling it into Go
// values and no thought of speed: the row, or the reasons of which one has to
// be given. extra is the member values the row's extra has to hold.
func reference(s *schema.Schema, r schema.Record, maxBytes int) (want row, extra map[string]jsontext.Value, reasons []schema.Reason) {
	refuse := func(reason schema.Reason) { reasons = append(reasons, reason) }
	if len(r.Value) == 0 {
		return nil, nil, []schema.Reason{schema.ReasonEmpty}
	}
	if len(r.Value) > maxBytes {
		return nil, nil, []schema.Reason{schema.ReasonTooLarge}
	}
	if !jsontext.Value(r.Value).IsValid() {
		// What stands before the fault may be reason enough.
		return nil, nil, schema.Reasons()
	}
	var members map[string]jsontext.Value
	if json.Unmarshal(r.Value, &members) != nil || members == nil {
		return nil, nil, []schema.Reason{schema.ReasonNotObject}
	}

	want = row{schema.ColTopic: r.Topic, schema.ColPartition: r.Partition, schema.ColOffset: r.Offset, schema.ColIngestedAt: r.Time, schema.ColIndex: r.Index}
	for _, c := range s.Fields {
		zero, _ := goValue(c.Type, nil)
		if c.Nullable {
			zero = nil
		}
		want[c.Name] = zero
		raw, present := members[c.Name]
		if !present || raw.Kind() == jsontext.KindNull {
			delete(members, c.Name)
			if c.Required {
				refuse(schema.ReasonMissing)
			}
			continue
		}
		if v, fits := goValue(c.Type, raw); fits {
			want[c.Name] = v
			delete(members, c.Name)
		} else if c.Required {
			refuse(schema.ReasonType)
		}
	}
	for _, raw := range members {
		if nested(raw) > 64 {
			refuse(schema.ReasonNesting)
		}
	}
	if want[s.Device] == "" {
		refuse(schema.ReasonMissing)
	}
	at, _ := want[s.Time.Field].(int64)
	if t := time.UnixMilli(at); t.Before(s.Time.NotBefore) || t.After(time.UnixMilli(r.Time).Add(s.Time.MaxAhead)) {
		refuse(schema.ReasonTime)
	}
	return want, members, reasons
}

// goValue returns raw as the Go value of a type, or the type's zero.
func goValue(t schema.Type, raw jsontext.Value) (any, bool) {
	switch t {
	case schema.String:
		return unmarshal[string](raw)
	case schema.Bool:
		return unmarshal[bool](raw)
	case schema.Int8:
		return unmarshal[int8](raw)
	case schema.Int16:
		return unmarshal[int16](raw)
	case schema.Int32:
		return unmarshal[int32](raw)
	case schema.Int64:
		return unmarshal[int64](raw)
	case schema.UInt8:
		return unmarshal[uint8](raw)
	case schema.UInt16:
		return unmarshal[uint16](raw)
	case schema.UInt32:
		return unmarshal[uint32](raw)
	case schema.UInt64:
		return unmarshal[uint64](raw)
	case schema.Float32:
		return unmarshal[float32](raw)
	case schema.Float64:
		return unmarshal[float64](raw)
	case schema.TimestampMS:
		if raw.Kind() != jsontext.KindString {
			return unmarshal[int64](raw)
		}
		text, _ := unmarshal[string](raw)
		t, err := time.Parse(time.RFC3339, text.(string))
		return t.UnixMilli(), err == nil
	}
	panic("BUG: no Go value for type " + string(t))
}

func unmarshal[T any](raw jsontext.Value) (any, bool) {
	var v T
	err := json.Unmarshal(raw, &v)
	return v, err == nil
}

// nested counts levels the way a parser meets them.
func nested(raw jsontext.Value) int {
	deepest := 0
	for d := jsontext.NewDecoder(bytes.NewReader(raw)); ; {
		if _, err := d.ReadToken(); err != nil {
			return deepest
		}
		deepest = max(deepest, d.StackDepth())
	}
}

// same is equality of column values that tells -0 from 0.
func same(a, b any) bool {
	switch a := a.(type) {
	case float32:
		b, ok := b.(float32)
		return ok && math.Float32bits(a) == math.Float32bits(b)
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	}
	return a == b
}
