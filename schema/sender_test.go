package schema

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// What was rejected is found by its device wherever the flaw is behind it.
func TestSender(t *testing.T) {
	s := Telemetry()
	f := func(name string, e Encoding, value, want string) {
		t.Helper()
		if got := s.Sender(e, []byte(value)); got != want {
			t.Errorf("%s: sent by %q, want %q", name, got, want)
		}
	}
	f("whole", JSON, `{"seq":1,"device_id":"dev-1"}`, "dev-1")
	f("cut off", JSON, `{"device_id":"dev-1","seq":1,"temp`, "dev-1")
	f("cut off before it", JSON, `{"seq":1,"device_id":"de`, "")
	f("in an array", JSON, `[{"device_id":"dev-1","seq":1}]`, "dev-1")
	f("malformed behind it", JSON, `{"device_id":"dev-1","seq":NaN}`, "dev-1")
	f("malformed before it", JSON, `{"seq":NaN,"device_id":"dev-1"}`, "")
	f("a name again", JSON, `{"seq":1,"seq":1,"device_id":"dev-1"}`, "dev-1")
	f("nested", JSON, `{"by":{"device_id":"dev-2"},"device_id":"dev-1"}`, "dev-1")
	f("no string", JSON, `{"device_id":1}`, "")
	f("no object", JSON, `"device_id"`, "")
	f("nothing", JSON, "", "")

	device, _ := s.field(s.Device)
	number := protowire.Number(device.ID)
	message := protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), "dev-1")
	f("a message", Protobuf, string(message), "dev-1")
	f("cut off", Protobuf, string(message)+"\x0a\x09dev", "dev-1")
	f("of another wire type", Protobuf, string(protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1)), "")
	f("not protobuf", Protobuf, "\xff\xff\xff", "")
	f("another encoding", "csv", "dev-1", "")
}
