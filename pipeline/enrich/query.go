package enrich

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// query is a list of devices that ClickHouse gives: of a table, a dictionary, or
// whatever can be asked for.
type query struct {
	sql     string
	schema  *schema.Schema
	connect func(context.Context) (driver.Conn, error)
}

// queryTimeout bounds one reading.
const queryTimeout = time.Minute

func (q *query) read(ctx context.Context) (_ *told, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, queryTimeout, fmt.Errorf("no answer within %v", queryTimeout))
	defer cancel()
	conn, err := q.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	rows, err := conn.Query(ctx, q.sql)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	t := newTold(q.schema)
	c, err := t.header(rows.Columns())
	if err != nil {
		return nil, err
	}
	types := rows.ColumnTypes()
	dest, values := make([]any, len(types)), make([]string, len(types))
	for i, typ := range types {
		dest[i] = reflect.New(typ.ScanType()).Interface()
	}
	for n := 1; rows.Next(); n++ {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		for i := range dest {
			values[i] = plain(reflect.ValueOf(dest[i]))
		}
		c.row(fmt.Sprintf("row %d", n), values)
	}
	return t, rows.Err()
}

// plain is a value of ClickHouse's as text; empty for NULL.
func plain(v reflect.Value) string {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if t, ok := v.Interface().(time.Time); ok {
		return t.UTC().Format(time.RFC3339Nano)
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Float32:
		return strconv.FormatFloat(v.Float(), 'g', -1, 32)
	}
	return fmt.Sprint(v.Interface())
}
