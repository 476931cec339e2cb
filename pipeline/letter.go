package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// Letter is a dead letter: a record that could not be stored, and why.
type Letter struct {
	// Record is the record as it stands in its topic: coordinates, timestamp in
	// milliseconds, key, headers, value. Of one that was cut key and value are
	// their beginnings, and there are no headers.
	Record *kgo.Record
	// Index is which event of its record the value is, and -1 if it is the record.
	Index  int
	Reason schema.Reason
	Detail string // for a person
	Schema string // name/version of the schema it was held against
	// CutFrom is the size of the whole record, key and headers included, if the
	// dead-letter topic had no room for it, and 0 otherwise.
	CutFrom int
	// At is when it was dead-lettered.
	At time.Time
}

// origin is where the letter's row would come from, or the first of its rows.
func (l Letter) origin() schema.Origin {
	return schema.Origin{Partition: l.Record.Partition, Offset: l.Record.Offset, Index: uint16(max(0, l.Index))}
}

// letterTime is how a letter writes the timestamp of its record.
const letterTime = "2006-01-02T15:04:05.000Z07:00"

// ErrNoLetter is a record of the dead-letter topic that no node wrote.
var ErrNoLetter = errors.New("not a dead letter")

// letterHeaders are the headers of the node.
var letterHeaders = []string{HeaderReason, HeaderError, HeaderTopic, HeaderPartition, HeaderOffset, HeaderIndex, HeaderTimestamp, HeaderSchema, HeaderTruncated}

// ParseLetter reads a record of the dead-letter topic. The node's own headers come
// first and each once: what the record itself brought of these names follows, and
// is the record's. The error is [ErrNoLetter]. The letter shares the memory of r.
func ParseLetter(r *kgo.Record) (Letter, error) {
	own, said := 0, map[string]string{}
	for _, h := range r.Headers {
		if _, again := said[h.Key]; again || !slices.Contains(letterHeaders, h.Key) {
			break
		}
		said[h.Key] = string(h.Value)
		own++
	}
	partition, errPartition := strconv.ParseInt(said[HeaderPartition], 10, 32)
	offset, errOffset := strconv.ParseInt(said[HeaderOffset], 10, 64)
	at, errTime := time.Parse(letterTime, said[HeaderTimestamp])
	cut, errCut := 0, error(nil)
	if size, is := said[HeaderTruncated]; is {
		cut, errCut = strconv.Atoi(size)
	}
	index, errIndex := wholeRecord, error(nil)
	if of := said[HeaderIndex]; of != "" {
		var n uint64
		n, errIndex = strconv.ParseUint(of, 10, 16)
		index = int(n)
	}
	err := errors.Join(errPartition, errOffset, errIndex, errTime, errCut)
	if err == nil && said[HeaderTopic] == "" {
		err = fmt.Errorf("no header %s", HeaderTopic)
	}
	if err != nil {
		return Letter{}, fmt.Errorf("%s p%d@%d: %w: %w", r.Topic, r.Partition, r.Offset, ErrNoLetter, err)
	}
	return Letter{
		Record: &kgo.Record{Topic: said[HeaderTopic], Partition: int32(partition), Offset: offset, Timestamp: at,
			Key: r.Key, Value: r.Value, Headers: r.Headers[own:]},
		Index: index, Reason: schema.Reason(said[HeaderReason]), Detail: said[HeaderError], Schema: said[HeaderSchema], CutFrom: cut, At: r.Timestamp,
	}, nil
}

// arrival is when the record came to Kafka, in milliseconds. What sent no
// credible time came when it was read, and was dead-lettered at once: that is the
// same whenever the letter is read.
func (l Letter) arrival() int64 { return arrival(l.Record, l.At) }

// Device returns the device that sent the record, as far as its value can be
// read, and else its key.
func (l Letter) Device(s *schema.Schema, e schema.Encoding) string {
	if device := s.Sender(e, l.Record.Value); device != "" {
		return device
	}
	return string(l.Record.Key)
}
