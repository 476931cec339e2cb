package canary

import (
	"fmt"
	"strings"
	"testing"

	"penstock/pipeline"
	"penstock/schema"
)

// Every type, each required, and identities of every kind.
const demanding = `name: demanding
version: 1
identity: %s
device: machine
time: {field: "at", not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 7, name: machine, type: string, required: true}
  - {id: 3, name: n, type: uint64, required: true}
  - {id: 4, name: event_id, type: string, required: true}
  - {id: 1, name: "at", type: timestamp_ms, required: true}
  - {id: 20, name: built, type: timestamp_ms, required: true}
  - {id: 21, name: ok, type: bool, required: true}
  - {id: 22, name: a, type: int8, required: true}
  - {id: 23, name: b, type: int64, required: true}
  - {id: 24, name: c, type: uint16, required: true}
  - {id: 25, name: d, type: float32, required: true, scale: 0.5}
  - {id: 26, name: e, type: float64, required: true}
  - {id: 27, name: site, type: string, required: true, low_cardinality: true}
  - {id: 28, name: note, type: string}
`

// The decoder that nodes have takes canaries for events, each for another, and all of
// a partition for those of one device.
func TestCanariesAreEvents(t *testing.T) {
	parse := func(identity string) *schema.Schema {
		s, err := schema.Parse(fmt.Appendf(nil, demanding, identity))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, s := range map[string]*schema.Schema{
		"telemetry": schema.Telemetry(), "pair": parse("[machine, n]"), "text": parse("[event_id]"), "number": parse("[n]"),
	} {
		f := func(e schema.Encoding, framing schema.Framing) {
			t.Helper()
			w, err := newWriter(s, pipeline.Kafka{Encoding: e, Framing: framing}, "penstock-canary")
			if err != nil {
				t.Fatal(err)
			}
			b, seen := newBook(1, noon), map[schema.Identity]bool{}
			decoder, splitter, block := schema.NewDecoder(s, e, 1<<20), schema.NewSplitter(framing, 1<<20), schema.NewBlock(s)
			for range 6 {
				c := b.begin(noon, 2)
				values, rej := splitter.Split(w.value(c))
				if rej != nil || len(values) != 1 {
					t.Fatalf("%s, %s, %s: %d events: %v", name, e, framing, len(values), rej)
				}
				key, err := decoder.Decode(schema.Record{Partition: c.Partition, Time: c.At, Value: values[0]}, block)
				if err != nil {
					t.Fatalf("%s, %s: %v\n%q", name, e, err, values[0])
				}
				if seen[key.Identity] || key.Time != c.At {
					t.Errorf("%s, %s: %+v of %+v", name, e, key, c)
				}
				seen[key.Identity] = true
				if device := s.Sender(e, values[0]); device != fmt.Sprintf("penstock-canary-%d", c.Partition) {
					t.Errorf("%s, %s: it is of %q", name, e, device)
				}
			}
		}
		f(schema.JSON, schema.Single)
		f(schema.JSON, schema.Batched)
		f(schema.Protobuf, schema.Single)
	}
}

// A number that tells events of all devices apart is none that a device counts to.
func TestNumbersOfDevicesAreNotTaken(t *testing.T) {
	a, b := Canary{Partition: 1, Number: uint64(noon.UnixMilli())}, Canary{Partition: 2, Number: uint64(noon.UnixMilli())}
	if oneNumber(a) == oneNumber(b) || oneNumber(a) < 1<<63 {
		t.Errorf("%d, %d", oneNumber(a), oneNumber(b))
	}
}

func TestCannotBeWritten(t *testing.T) {
	f := func(want string, k pipeline.Kafka) {
		t.Helper()
		_, err := newWriter(schema.Telemetry(), k, "penstock-canary")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "watch.canary_every to 0s") {
			t.Errorf("got %v, want %q and the remedy", err, want)
		}
	}
	f("kafka.encoding is avro", pipeline.Kafka{Encoding: schema.Avro})
	f(`kafka.registry.url is "http://r"`, pipeline.Kafka{Encoding: schema.JSON, Registry: pipeline.Registry{URL: "http://r"}})
}
