package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/schema"
)

// wide is a schema of more fields than any word has bits.
func wide(t *testing.T) *schema.Schema {
	t.Helper()
	var text strings.Builder
	text.WriteString(`
name: wide
version: 1
identity: [device, seq]
device: device
time: {field: at, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: at, type: timestamp_ms, required: true}
`)
	for id := 4; id < 140; id++ {
		fmt.Fprintf(&text, "  - {id: %d, name: f%d, type: int32, nullable: true}\n", id, id)
	}
	text.WriteString("  - {id: 140, name: last, type: string, required: true}\n")
	s, err := schema.Parse([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDecodeWide(t *testing.T) {
	s := wide(t)
	d := &decodeTest{s, schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)}
	for _, members := range []string{"", `,"f64":1,"f65":2,"f128":3`} {
		_, err := d.decode(event(members))
		if want := "missing: field last is required and absent or null"; err == nil || err.Error() != want {
			t.Errorf("%s: error is %v, want %s", members, err, want)
		}
	}
	if _, err := d.decode(event(`,"f4":4,"f64":64,"f65":65,"f127":127,"f128":128,"f139":139,"last":"x"`)); err != nil {
		t.Fatal(err)
	}
	want := row{
		"device": "d", "seq": uint64(1), "at": int64(noon), "last": "x", "extra": "",
		"_topic": "t", "_partition": int32(0), "_offset": int64(0), "_ingested_at": int64(noon), "_index": uint16(0),
	}
	for id := 4; id < 140; id++ {
		want[fmt.Sprintf("f%d", id)] = nil
	}
	for _, id := range []int{4, 64, 65, 127, 128, 139} {
		want[fmt.Sprintf("f%d", id)] = int32(id)
	}
	compare(t, s, d.block, []row{want})
}
