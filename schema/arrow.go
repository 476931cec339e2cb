package schema

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
)

// parquetFieldID is the metadata key by which arrow's Parquet writer takes a
// column's field id, which Iceberg identifies columns by.
const parquetFieldID = "PARQUET:field_id"

// Arrow returns the schema of the cold tier's Parquet files: all columns, in
// the order of Columns, with their field ids. A low-cardinality string is a
// plain string here: in Parquet a dictionary is the writer's choice of
// encoding, not a type.
func (s *Schema) Arrow() *arrow.Schema {
	var fields []arrow.Field
	for _, c := range s.Columns() {
		fields = append(fields, arrow.Field{
			Name:     c.Name,
			Type:     typeViews[c.Type].arrow,
			Nullable: c.Nullable,
			Metadata: arrow.NewMetadata([]string{parquetFieldID}, []string{strconv.Itoa(c.ID)}),
		})
	}
	return arrow.NewSchema(fields, nil)
}
