package archive_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"penstock/tiering/archive"
	"penstock/tiering/archive/archivetest"
)

// What queries skip by is held against the values: a file whose rows are right
// and are not found is refused, and where it is wrong is said.
func TestWrongIndexes(t *testing.T) {
	s := everyType(t)
	b := archive.NewBlock(s)
	for i := range 40_000 {
		archivetest.Append(b, row(s, fmt.Sprintf("device-%04d", i/10), i, func(c int) int { return (i + c) % 3 })...)
	}
	data, _ := write(t, s, 100_000, nil, b)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readQuietly(data, s); err != nil {
		t.Fatal(err)
	}
	chunk := f.Metadata().RowGroups[0].Columns[0]
	footer := len(data) - 8 - int(uint32(data[len(data)-8])|uint32(data[len(data)-7])<<8|uint32(data[len(data)-6])<<16)
	if bytes.Count(data[footer:], []byte("device-3999")) == 0 {
		t.Fatal("the statistics are not where they are looked for")
	}

	// replaced says what Read thinks of the file if, in a part of it, from stands
	// as to.
	replaced := func(name string, at, length int, from, to, want string) {
		t.Helper()
		damaged := bytes.Clone(data)
		part := damaged[at : at+length]
		if from == "" {
			clear(part)
		} else if n := copy(part, bytes.ReplaceAll(part, []byte(from), []byte(to))); n != length || bytes.Equal(damaged, data) {
			t.Fatalf("%s: no %q to replace", name, from)
		}
		_, err := readQuietly(damaged, s)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "device_id") {
			t.Errorf("%s: %v; want %q of device_id", name, err, want)
		}
	}
	index, length := int(chunk.ColumnIndexOffset), int(chunk.ColumnIndexLength)
	replaced("a page's least value", index, length, "device-2000", "device-2001", `page 1 has values from device-2000 to device-3999; the column index says device-2001`)
	replaced("a page's greatest value", index, length, "device-1999", "device-1998", `page 0 has values from device-0000 to device-1999; the column index says device-0000 to device-1998`)
	replaced("the greatest value", footer, len(data)-footer, "device-3999", "device-3998", `statistics say device-0000 to device-3998`)
	// 20,000 and 20,001, as thrift's compact protocol writes them.
	replaced("a page's first row", int(chunk.OffsetIndexOffset), int(chunk.OffsetIndexLength), "\xc0\xb8\x02", "\xc2\xb8\x02",
		"the offset index does not have page 1 at row 20000")
	const header = 32 // at least, of the filter
	replaced("bloom filter", int(chunk.MetaData.BloomFilterOffset)+header, 2048-header, "", "", `which is not in the bloom filter`)
}
