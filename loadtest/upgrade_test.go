package loadtest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"penstock/schema"
)

// decoded is the new fields of an event in JSON, as a table would have them.
func decoded(value []byte) (fieldsRow, bool) {
	var object map[string]any
	if err := json.Unmarshal(value, &object); err != nil {
		return fieldsRow{}, false
	}
	r := fieldsRow{device: object["device_id"].(string), firmware: object["firmware"].(string), seq: uint64(object["seq"].(float64))}
	found := false
	for _, f := range newFields[:3] {
		v, ok := object[f.name]
		text, err := json.Marshal(v)
		if err != nil || !ok {
			text = nil
		}
		found = found || ok
		r.values = append(r.values, strings.Trim(string(text), `"`))
	}
	return r, found || r.firmware == upgradeFirmware
}

// From the moment of the upgrade its share of the devices sends the new fields,
// in JSON and in messages, and no other record has them: neither what was read
// before nor what other devices send. A resend repeats what was sent.
func TestUpgradeBegins(t *testing.T) {
	c := testConfig()
	c.Shares.Late = 0.1
	c.Upgrade = Upgrade{Share: 0.4, After: 5 * time.Second, Fields: 3}
	from := testStart.Add(c.Upgrade.After).UnixMilli()
	with, without := map[uint32]bool{}, map[uint32]bool{}
	readings := uint64(0)
	f := emit(c, 20_000, func(r record, _ int64, value []byte) {
		if r.kind == malformed {
			return
		}
		got, has := decoded(value)
		switch {
		case has && r.ts < from:
			t.Fatalf("a reading of %d has new fields, before the upgrade at %d: %s", r.ts, from, value)
		case has:
			for i, v := range got.values {
				if want := newFields[i].text(newFields[i].draw(c.Seed, r.device, r.seq)); v != want {
					t.Fatalf("%s is %q, want %q: %s", newFields[i].name, v, want, value)
				}
			}
			with[r.device] = true
			if r.kind != resent {
				readings++
			}
		case r.ts >= from:
			without[r.device] = true
		}
	})
	if readings == 0 || f.upgraded != readings {
		t.Errorf("the fleet counts %d readings of the new firmware, sent %d", f.upgraded, readings)
	}
	for device := range with {
		if without[device] {
			t.Errorf("device %d has the new firmware and has it not", device)
		}
	}
	if n := len(with); n < 25 || n > 55 {
		t.Errorf("%d of 100 devices have it, want about 40", n)
	}

	e := newEncoder("test", 7, schema.Protobuf)
	e.upgrade = Upgrade{Share: 1, Fields: len(newFields)}.begin(testStart)
	message := unpack(t, e.event(nil, event{device: 1, seq: 2, ts: testStart.UnixMilli()}))
	for _, f := range newFields {
		if _, ok := message[f.number]; !ok {
			t.Errorf("the message has no field %d, %s", f.number, f.name)
		}
	}
}

// A run proves every value of every new field, and finds one that is lost, one
// that is another, and one where none belongs.
func TestRunProvesTheUpgrade(t *testing.T) {
	f := func(name string, news func([]byte) (fieldsRow, bool), wants ...string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			brokers := startKafka(t)
			n := startNode(t, brokers, &node{news: news})
			c := shortRun(t, brokers)
			c.Upgrade = Upgrade{Share: 0.5, After: 500 * time.Millisecond, Fields: 3}
			if len(wants) > 0 {
				c.VerifyTimeout = 3 * time.Second // what is wrong stays so
			}
			var out bytes.Buffer
			r, err := run(t.Context(), c, time.Now(), n, Output{Writer: &out})
			if !r.Verified || r.Upgrade == nil || r.Upgrade.Sent < 100 || len(r.Upgrade.Fields) != 3 {
				t.Fatalf("%v\n%+v", err, r)
			}
			if len(wants) == 0 {
				if err != nil || r.Upgrade.Fields[2].Right != r.Upgrade.Sent || !strings.Contains(r.String(), "door_state from extra") {
					t.Errorf("%v\n%s", err, r)
				}
				sent, err := LoadSent(c.State)
				if err != nil {
					t.Fatal(err)
				}
				if p, err := proveUpgrade(t.Context(), n, sent); err != nil || p.fault() != nil || p.Sent != r.Upgrade.Sent {
					t.Errorf("proven again from its state: %v, %v, %v", p, err, p.fault())
				}
			}
			for _, want := range wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v; want %q in it", err, want)
				}
			}
		})
	}
	first := func(spoil func(*fieldsRow) bool) func([]byte) (fieldsRow, bool) {
		done := false
		return func(value []byte) (fieldsRow, bool) {
			r, has := decoded(value)
			if done || !has {
				return r, has
			}
			done = true
			return r, spoil(&r)
		}
	}
	f("all there", decoded)
	f("a row without its fields", first(func(r *fieldsRow) bool { r.values[0] = ""; return true }), "1 rows without noise_db")
	f("a wrong value", first(func(r *fieldsRow) bool { r.values[1] += "0"; return true }), "1 wrong values of fan_rpm")
	f("a row is lost", first(func(*fieldsRow) bool { return false }), "rows of firmware 3.3.0")
	f("a stray value", first(func(r *fieldsRow) bool { r.firmware = "3.2.1"; return true }), "1 rows of other firmware")
}

// A field is read by its name where the table has a column of it, and otherwise
// from where its encoding puts it in extra.
func TestNewFieldsQuery(t *testing.T) {
	f := func(encoding schema.Encoding, column bool, wants ...string) {
		t.Helper()
		got := newFieldsQuery("`t`", encoding, newFields[1:2], []bool{column})
		for _, want := range append(wants, "FROM `t`", "version = '3.3.0'") {
			if !strings.Contains(got, want) {
				t.Errorf("%s has no %q", got, want)
			}
		}
	}
	f(schema.JSON, true, "[ifNull(toString(`fan_rpm`), '')]")
	f(schema.JSON, false, "JSONExtract(extra, 'fan_rpm', 'Nullable(UInt64)')")
	f(schema.Protobuf, false, "JSONExtract(extra, '31', 'varint', 'Nullable(UInt64)')")
}
