package enrich

import (
	"github.com/ClickHouse/ch-go/proto"
	"pgregory.net/rapid"

	"penstock/schema"
)

// modelsOf reads the model of every row as it would be sent.
func modelsOf(t rapid.TB, b *schema.Block) []string {
	t.Helper()
	for _, c := range b.Input() {
		if c.Name != "model" {
			continue
		}
		var buf proto.Buffer
		c.Data.(proto.StateEncoder).EncodeState(&buf)
		c.Data.EncodeColumn(&buf)
		col := new(proto.ColStr).LowCardinality()
		r := buf.Reader()
		if err := col.DecodeState(r); err != nil {
			t.Fatal(err)
		}
		if err := col.DecodeColumn(r, b.Rows()); err != nil {
			t.Fatal(err)
		}
		out := make([]string, b.Rows())
		for i := range out {
			out[i] = col.Row(i)
		}
		return out
	}
	t.Fatal("no column model")
	return nil
}
