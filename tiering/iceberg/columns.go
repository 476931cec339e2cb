package iceberg

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	parquetschema "github.com/apache/arrow-go/v18/parquet/schema"
	apache "github.com/apache/iceberg-go"

	"penstock/schema"
)

// columnsOf returns the columns of a file as Iceberg has them, with the field
// ids of the file.
func columnsOf(s *parquetschema.Schema) ([]apache.NestedField, error) {
	columns := make([]apache.NestedField, s.NumColumns())
	for i := range columns {
		c := s.Column(i)
		t, err := typeOf(c)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name(), err)
		}
		id := int(c.SchemaNode().FieldID())
		if id < 1 || c.ColumnPath().String() != c.Name() {
			return nil, fmt.Errorf("column %s has field id %d; want the flat, numbered columns that the compactor writes", c.ColumnPath(), id)
		}
		columns[i] = apache.NestedField{ID: id, Name: c.Name(), Type: t, Required: c.SchemaNode().RepetitionType() == parquet.Repetitions.Required}
	}
	return columns, nil
}

// typeOf returns Iceberg's type of a column. Iceberg has no unsigned integers:
// the next larger signed type has their values, but there is none for those of
// 64 bits, whose large values are refused file by file, see [bounds]. Its times
// are microseconds, and readers scale the milliseconds of the files.
func typeOf(c *parquetschema.Column) (apache.Type, error) {
	switch c.PhysicalType() {
	case parquet.Types.Boolean:
		return apache.PrimitiveTypes.Bool, nil
	case parquet.Types.Float:
		return apache.PrimitiveTypes.Float32, nil
	case parquet.Types.Double:
		return apache.PrimitiveTypes.Float64, nil
	case parquet.Types.ByteArray:
		switch c.LogicalType().(type) {
		case parquetschema.StringLogicalType, parquetschema.JSONLogicalType:
			return apache.PrimitiveTypes.String, nil
		}
	case parquet.Types.Int32, parquet.Types.Int64:
		switch l := c.LogicalType().(type) {
		case parquetschema.NoLogicalType:
			return integer(c.PhysicalType(), true), nil
		case parquetschema.IntLogicalType:
			return integer(c.PhysicalType(), l.IsSigned() || l.BitWidth() < 32), nil
		case parquetschema.TimestampLogicalType:
			if l.IsAdjustedToUTC() && l.TimeUnit() != parquetschema.TimeUnitNanos {
				return apache.PrimitiveTypes.TimestampTz, nil
			}
		}
	}
	return nil, fmt.Errorf("%s %s has no type in Iceberg; a newer release of this program may know one", c.PhysicalType(), c.LogicalType())
}

func integer(physical parquet.Type, fits bool) apache.Type {
	if physical == parquet.Types.Int32 && fits {
		return apache.PrimitiveTypes.Int32
	}
	return apache.PrimitiveTypes.Int64
}

// evolve returns the table's columns after files were added: those it has, and
// those of the files that it lacks. The first are none for a table that is about
// to be made. A column is required only if every file has it and none may have
// NULL there; one that comes later is not, since the older files lack it.
// changed is false if there is nothing to change.
func evolve(has []apache.NestedField, files [][]apache.NestedField, docs *schema.Schema) (columns []apache.NestedField, changed bool, err error) {
	columns = slices.Clone(has)
	made := len(has) > 0
	for n, file := range files {
		for i := range columns {
			c := &columns[i]
			at := slices.IndexFunc(file, func(f apache.NestedField) bool { return f.ID == c.ID })
			if at >= 0 && (file[at].Name != c.Name || !file[at].Type.Equals(c.Type)) {
				return nil, false, fmt.Errorf("field id %d is %s %s in a file and %s %s in the table; an id is never used for another column: name another table", c.ID, file[at].Name, file[at].Type, c.Name, c.Type)
			}
			if c.Required && (at < 0 || !file[at].Required) {
				c.Required, changed = false, true
			}
		}
		for _, f := range file {
			if slices.ContainsFunc(columns, func(c apache.NestedField) bool { return c.ID == f.ID }) {
				continue
			}
			f.Required = f.Required && !made && n == 0
			f.Doc = doc(docs, f)
			columns, changed = append(columns, f), true
		}
	}
	return columns, changed, nil
}

// doc is what the schema file says of a column, if it knows it.
func doc(s *schema.Schema, f apache.NestedField) string {
	for _, c := range s.Columns() {
		if c.ID == f.ID && c.Name == f.Name {
			return c.Doc
		}
	}
	return ""
}
