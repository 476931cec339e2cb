package archive_test

import (
	"bytes"
	"fmt"
	"testing"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/archive/archivetest"
)

// What a file has is never ruled out, in whichever row group; what it has not
// nearly always is, also between the first and the last device.
func TestMayHold(t *testing.T) {
	s := everyType(t)
	b := archive.NewBlock(s)
	devices := []string{"", "\x00", "device"}
	for i := range 300 {
		devices = append(devices, fmt.Sprintf("device-%04d", 2*i))
	}
	devices = append(devices, "ünïcode", "\xff\xfe")
	for i, d := range devices {
		archivetest.Append(b, row(s, d, i, func(column int) int { return column % 2 })...)
	}
	data, _ := write(t, s, 40, []archive.Run{{From: 0, To: b.Rows()}}, b)
	device := s.Columns()[0]
	may := func(c schema.Column, values ...string) bool {
		t.Helper()
		ok, err := archive.MayHold(bytes.NewReader(data), int64(len(data)), c, values)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	for i, d := range devices {
		if !may(device, d) || !may(device, "absent", d) {
			t.Errorf("device %d, %q, is said not to be in the file it is in", i, d)
		}
	}
	wrong := 0
	for i := range 300 {
		if may(device, fmt.Sprintf("device-%04d", 2*i+1)) {
			wrong++
		}
	}
	if wrong > 15 {
		t.Errorf("%d of 300 devices that are not in the file may be in it; want few: the filter is in use", wrong)
	}
	if may(device, "device-9999x", "zzz") {
		t.Error("devices outside of all row groups may be in the file")
	}
	if may(device) {
		t.Error("no device may be in the file")
	}

	if _, err := archive.MayHold(bytes.NewReader(data), int64(len(data)), schema.Column{ID: 77, Name: "gone"}, []string{"x"}); err == nil {
		t.Error("a column the file has not: no error")
	}
	if _, err := archive.MayHold(bytes.NewReader(data[:100]), 100, device, []string{"x"}); err == nil {
		t.Error("a truncated file: no error")
	}
}
