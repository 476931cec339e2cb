package loadtest

import (
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

func TestDeadLettersCompared(t *testing.T) {
	book := newLedger(true)
	for i := range int64(4) { // the first four flaws, at offsets 100 to 103
		book.acked(record{kind: malformed, flaw: flaw(i)}, coordinate{2, 100 + i})
	}
	d := &deadLetters{topic: "telemetry", reasons: map[coordinate]string{},
		from: kadm.ListedOffsets{"telemetry": {2: {Topic: "telemetry", Partition: 2, Offset: 100}}}}
	letter := func(offset int64, reason schema.Reason) {
		d.add(&kgo.Record{Headers: []kgo.RecordHeader{
			{Key: headerReason, Value: []byte(reason)},
			{Key: headerPartition, Value: []byte("2")},
			{Key: headerOffset, Value: strconv.AppendInt(nil, offset, 10)},
		}})
	}
	letter(99, schema.ReasonEmpty) // of an earlier run, rejected once more
	letter(100, schema.ReasonMalformed)
	letter(100, schema.ReasonMalformed)
	letter(101, schema.ReasonTime) // not an object
	letter(102, schema.ReasonMissing)
	letter(500, schema.ReasonTime)                                                                            // a reading
	d.add(&kgo.Record{Offset: 7, Headers: []kgo.RecordHeader{{Key: headerReason, Value: []byte("refused")}}}) // without coordinates

	got := d.compare(book)
	examples := strings.Join(got.examples, "\n")
	got.examples = nil
	want := Rejects{Rejected: 5, Again: 1, Unrejected: 1, Wrongly: 2, OtherReason: 1,
		ByReason: map[string]uint64{"malformed": 1, "missing": 1, "refused": 1, "time": 2}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	err := Result{Verified: true, Rejects: got}.fault(Config{DeadLetters: "dead"})
	for _, want := range []string{"1 malformed records without", "2 records dead-lettered that were not", "1 records dead-lettered for another reason"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the verdict is %v; want %q in it", err, want)
		}
	}
	for _, want := range []string{
		"partition 2 offset 103: malformed (no_seq), no dead letter",
		`partition 2 offset 101: not_an_object, rejected for "time" instead of "not_object"`,
		"partition 2 offset 500: rejected (time), was not malformed",
	} {
		if !strings.Contains(examples, want) {
			t.Errorf("no %q among\n%s", want, examples)
		}
	}
}
