package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/archive/archivetest"
)

// Every value of every type, NULL and the extremes, goes from a block to a file
// and from there to what ClickHouse is sent; a row group is one call.
func TestReadRows(t *testing.T) {
	s := everyType(t)
	b := archive.NewBlock(s)
	var want []string
	for i := range 7 {
		values := row(s, fmt.Sprint("device-", i), i, func(column int) int { return (column + i) % 3 })
		archivetest.Append(b, values...)
		want = append(want, fmt.Sprint(values...))
	}
	body, _ := write(t, s, 3, nil, b)
	var got []string
	var groups []int
	err := archive.ReadRows(bytes.NewReader(body), int64(len(body)), s.Columns(), func(rows *archive.Rows) error {
		groups = append(groups, rows.Len())
		for i := range rows.Len() {
			var values []any
			for n, c := range rows.Columns() {
				if c.Name != s.Columns()[n].Name {
					t.Fatalf("column %d is %s, want %s", n, c.Name, s.Columns()[n].Name)
				}
				values = append(values, value(c.Data, i))
			}
			got = append(got, fmt.Sprint(values...))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(groups) != "[3 3 1]" || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("groups %v of\n%s\nwant 3, 3 and 1 of\n%s", groups, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// value is a column's value as archivetest takes it: nil for NULL, milliseconds
// for a timestamp.
func value(data proto.ColInput, row int) any {
	v := reflect.ValueOf(data).MethodByName("Row").Call([]reflect.Value{reflect.ValueOf(row)})[0]
	if v.Kind() == reflect.Struct && v.FieldByName("Set").IsValid() {
		if !v.FieldByName("Set").Bool() {
			return nil
		}
		v = v.FieldByName("Value")
	}
	if at, ok := v.Interface().(time.Time); ok {
		return at.UnixMilli()
	}
	return v.Interface()
}

// What the callback says ends the reading; a file of other columns is refused.
func TestReadRowsEnds(t *testing.T) {
	s := everyType(t)
	b := archive.NewBlock(s)
	archivetest.Append(b, row(s, "device", 1, func(int) int { return 0 })...)
	body, _ := write(t, s, 3, nil, b)
	full := errors.New("full")
	read := func(columns []schema.Column) error {
		return archive.ReadRows(bytes.NewReader(body), int64(len(body)), columns, func(*archive.Rows) error { return full })
	}
	if err := read(s.Columns()); !errors.Is(err, full) {
		t.Errorf("got %v, want the callback's error", err)
	}
	if err := read(s.Columns()[1:]); err == nil || !strings.Contains(err.Error(), "columns, 1 more than the schema") {
		t.Errorf("got %v, want the number of columns", err)
	}
}
