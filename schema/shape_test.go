package schema

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// shapeTest counts what is read as predicted.
type shapeTest struct {
	*testing.T
	scanner *scanner
	block   *Block
}

func newShapeTest(t *testing.T) *shapeTest {
	s := Telemetry()
	return &shapeTest{t, newScanner(s, limitsOf(DefaultBounds())), NewBlock(s)}
}

// read reads an event and reports whether it was predicted.
func (t *shapeTest) read(value string) bool {
	t.Helper()
	if t.scanner.scan([]byte(value), t.block) {
		return true
	}
	if _, rej := t.scanner.read([]byte(value), t.block); rej != nil {
		t.Fatalf("%s: %v", value, rej)
	}
	return false
}

func TestShapes(t *testing.T) {
	f := func(name string, predicted bool, value string, before ...string) {
		t.Helper()
		test := newShapeTest(t)
		for _, v := range before {
			test.read(v)
		}
		if got := test.read(value); got != predicted {
			t.Errorf("%s: predicted is %v", name, got)
		}
	}
	const event = `{"device_id":"a","seq":1,"ts":1793000000000}`
	f("the first event", false, event)
	f("the next", true, `{"device_id":"b","seq":2,"ts":1793000001000}`, event)
	f("other blanks", false, `{"device_id": "a", "seq": 1, "ts": 1793000000000}`, event)
	f("other blanks, seen before", true, `{"device_id": "b", "seq": 2, "ts": 1793000001000}`, event, `{"device_id": "a", "seq": 1, "ts": 1793000000000}`)
	f("no blanks, after those with", true, event, `{"device_id": "a", "seq": 1, "ts": 1793000000000}`, event)
	f("printed in lines", true, "{\n \"device_id\": \"a\",\n \"seq\": 1,\n \"ts\": 1793000000000\n}\n", "{\n \"device_id\": \"b\",\n \"seq\": 2,\n \"ts\": 1793000000000\n}\n")
	f("another order", false, `{"seq":1,"device_id":"a","ts":1793000000000}`, event)
	f("one member more", false, `{"device_id":"a","seq":1,"ts":1793000000000,"rssi":-7}`, event)
	f("one member fewer", false, event, `{"device_id":"a","seq":1,"ts":1793000000000,"rssi":-7}`)
	f("both of two firmwares", true, `{"device_id":"a","seq":1,"ts":1793000000000,"rssi":-7}`, event, `{"device_id":"a","seq":1,"ts":1793000000000,"rssi":null}`, event)
	f("a name with an escape", true, `{"device_id":"a","s\u0065q":2,"ts":1793000000000}`, `{"device_id":"a","s\u0065q":1,"ts":1793000000000}`)
	f("a field the schema does not know", true, `{"device_id":"a","seq":1,"ts":1793000000000,"torque":[7]}`, `{"device_id":"a","seq":1,"ts":1793000000000,"torque":{"x":true}}`)
	f("a value with an escape", false, `{"device_id":"\u0061","seq":1,"ts":1793000000000}`, event)
	f("an exponent", true, `{"device_id":"a","seq":1,"ts":1793000000000,"power":1.25e-3}`, `{"device_id":"a","seq":1,"ts":1793000000000,"power":1}`)
	f("a value that fits no column", false, `{"device_id":"a","seq":1,"ts":1793000000000,"rssi":1e3}`, `{"device_id":"a","seq":1,"ts":1793000000000,"rssi":1}`)
}

// What a sender of ever new members makes the scanner remember is bounded, and
// the others are predicted again after one event.
func TestShapesAreBounded(t *testing.T) {
	f := func(name string, odd func(i int) string) {
		t.Helper()
		test := newShapeTest(t)
		missed := 0
		for i := range 10_000 {
			test.read(odd(i))
			if !test.read(`{"device_id":"a","seq":1,"ts":1793000000000,"rssi":-7}`) {
				missed++
			}
			if s := test.scanner.shapes; s.members > maxMembers || len(s.root.next) > maxBranch {
				t.Fatalf("%s: %d members, %d of them first", name, s.members, len(s.root.next))
			}
		}
		if missed > 10_000/(maxBranch-2) {
			t.Errorf("%s: of 10,000 events of a known firmware %d were not predicted", name, missed)
		}
	}
	f("new names first", func(int) string {
		return fmt.Sprintf(`{"x%d":1,"device_id":"a","seq":1,"ts":1793000000000}`, rand.Uint64())
	})
	f("new names last", func(int) string {
		return fmt.Sprintf(`{"device_id":"a","seq":1,"ts":1793000000000,"x%d":1}`, rand.Uint64())
	})
	f("new names at all depths", func(int) string {
		value := `{"device_id":"a","seq":1,"ts":1793000000000`
		for range rand.IntN(50) {
			value += fmt.Sprintf(`,"x%d":1`, rand.Uint64())
		}
		return value + fmt.Sprintf(`,"y%d":1}`, rand.IntN(1_000_000))
	})
	long := `{"device_id":"a","seq":1,"ts":1793000000000`
	for i := range maxPath {
		long += fmt.Sprintf(`,"x%d":1`, i)
	}
	f("more members than are learned", func(i int) string {
		if i > 10 {
			return `{"device_id":"a","seq":1,"ts":1793000000000}`
		}
		return long + "}"
	})
}
