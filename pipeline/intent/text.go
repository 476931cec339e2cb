package intent

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// mark begins every metadata of ours; the version follows. Version 2 has gaps,
// and is written only where there are any: an older node takes over the rest.
const (
	mark    = "penstock/"
	version = 2
)

// maxMetadata is the broker's offset.metadata.max.bytes as it comes: a longer
// one is refused with the whole commit.
const maxMetadata = 4096

// What Parse refuses.
var (
	// ErrForeign: the metadata is another program's.
	ErrForeign = errors.New("the metadata is not Penstock's")
	// ErrNewer: a later version of Penstock wrote the metadata.
	ErrNewer = errors.New("the metadata is a newer Penstock's")
	// ErrBroken: the metadata begins as ours and does not hold together.
	ErrBroken = errors.New("the metadata is broken")
)

// Metadata returns the state as the metadata of its commit. It is never empty:
// a position that was set by hand is told from one of ours by that.
func (s State) Metadata() string {
	if err := s.fault(); err != nil {
		panic("BUG: a state that cannot be: " + err.Error())
	}
	if s.isPlain() {
		return s.text(1)
	}
	return s.text(version)
}

// isPlain says that each pending span begins where what precedes it ends, so
// that version 1 says it all.
func (s State) isPlain() bool {
	end := s.Offset
	for _, in := range s.Pending {
		if in.First != end {
			return false
		}
		end = in.Next
	}
	return len(s.Done) == 0
}

func (s State) text(version int64) string {
	b := make([]byte, 0, 32+32*len(s.Done)+96*len(s.Pending))
	b = append(b, mark...)
	b = strconv.AppendInt(b, version, 10)
	b = strconv.AppendInt(append(b, ' '), s.Offset, 10)
	for _, r := range s.Done {
		b = strconv.AppendInt(append(b, ' '), r.First, 10)
		b = strconv.AppendInt(append(b, '+'), r.Next-r.First, 10)
	}
	for _, in := range s.Pending {
		b = append(append(b, ' '), in.Batch...)
		if in.Step > 0 {
			b = strconv.AppendInt(append(b, '/'), int64(in.Step), 10)
		}
		b = append(append(b, ':'), in.Shard...)
		b = strconv.AppendInt(append(b, ':'), in.First, 10)
		b = strconv.AppendInt(append(b, '+'), in.Next-in.First, 10)
		b = strconv.AppendInt(append(b, '@'), in.At, 10)
	}
	return string(b)
}

// Parse returns what a commit says. Empty metadata is a plain position, as
// kafka-consumer-groups --reset-offsets leaves it. Other metadata is understood
// entirely or refused, with an error that is ErrForeign, ErrNewer or ErrBroken
// and says what an operator can do.
func Parse(offset int64, metadata string) (State, error) {
	if metadata == "" {
		s := State{Offset: offset}
		if err := s.fault(); err != nil {
			return State{}, broken(offset, metadata, err)
		}
		return s, nil
	}
	rest, ours := strings.CutPrefix(metadata, mark)
	if !ours {
		return State{}, fmt.Errorf("offset %d is committed with metadata %s: %w; give the node a kafka.group of its own, "+
			"or, if the offset is right, stop the group and run kafka-consumer-groups --reset-offsets --to-current --execute, which leaves no metadata",
			offset, quote(metadata), ErrForeign)
	}
	head, rest, _ := strings.Cut(rest, " ")
	v, err := strconv.ParseUint(head, 10, 64)
	if err == nil && v > version {
		return State{}, fmt.Errorf("offset %d is committed with metadata %s: %w, this one reads version %d; run the newer program until it has stopped in order, "+
			"or stop the group and run kafka-consumer-groups --reset-offsets --to-current --execute, which forgets what was being inserted: no insert may be in flight then",
			offset, quote(metadata), ErrNewer, version)
	}
	var s State
	if err == nil {
		s, err = parse(rest)
	}
	switch {
	case err != nil:
	case len(metadata) > maxMetadata:
		err = fmt.Errorf("it has %d bytes; at most %d are ever written", len(metadata), maxMetadata)
	case s.Offset != offset:
		// A tool that keeps the metadata moved the offset, or MirrorMaker
		// translated it to another cluster's: the spans are no longer these records.
		err = fmt.Errorf("it was written for offset %d", s.Offset)
	case v < 1 || s.text(int64(v)) != metadata || v == 1 && len(s.Done) > 0 || v == version && s.isPlain():
		err = errors.New("it is not as it is written")
	default:
		if v == 1 {
			err = s.close()
		}
		if err == nil {
			err = s.fault()
		}
	}
	if err != nil {
		return State{}, broken(offset, metadata, err)
	}
	return s, nil
}

// close closes what version 1 leaves open between two spans: offsets that have
// no record.
func (s *State) close() error {
	end := s.Offset
	for i := range s.Pending {
		in := &s.Pending[i]
		if in.First < end {
			return fmt.Errorf("batch %s begins at %d, before %d where what precedes it ends", in.Batch, in.First, end)
		}
		if in.Next > in.First { // or it is at fault
			in.First = end
		}
		end = in.Next
	}
	return nil
}

func broken(offset int64, metadata string, why error) error {
	return fmt.Errorf("offset %d is committed with metadata %s: %w: %w; if no insert is in flight and the offset is right, "+
		"stop the group and run kafka-consumer-groups --reset-offsets --to-current --execute, which leaves no metadata",
		offset, quote(metadata), ErrBroken, why)
}

// quote bounds what a message repeats of a text that anybody may have written.
func quote(metadata string) string {
	const most = 120
	if len(metadata) > most {
		return strconv.Quote(metadata[:most]) + fmt.Sprintf(" (%d bytes)", len(metadata))
	}
	return strconv.Quote(metadata)
}

// parse reads what follows the version. It is lenient about the form of
// numbers: that what it read prints as what it was read from is checked after.
func parse(rest string) (s State, err error) {
	offset, rest, more := strings.Cut(rest, " ")
	if s.Offset, err = strconv.ParseInt(offset, 10, 64); err != nil {
		return State{}, err
	}
	for more {
		var entry string
		entry, rest, more = strings.Cut(rest, " ")
		if !strings.Contains(entry, ":") {
			r, err := parseRange(entry)
			if err != nil {
				return State{}, fmt.Errorf("range %s: %w", quote(entry), err)
			}
			s.Done = append(s.Done, r)
			continue
		}
		in, err := parseIntent(entry)
		if err != nil {
			return State{}, fmt.Errorf("intent %s: %w", quote(entry), err)
		}
		s.Pending = append(s.Pending, in)
	}
	return s, nil
}

func parseIntent(entry string) (in Intent, err error) {
	fields := strings.Split(entry, ":")
	if len(fields) != 3 {
		return Intent{}, errors.New("it is not batch:shard:first+count@time")
	}
	span, at, _ := strings.Cut(fields[2], "@")
	batch, step, stepped := strings.Cut(fields[0], "/")
	in.Batch, in.Shard = batch, fields[1]
	if stepped {
		if in.Step, err = strconv.Atoi(step); err != nil {
			return Intent{}, err
		}
	}
	r, err := parseRange(span)
	if err != nil {
		return Intent{}, err
	}
	in.First, in.Next = r.First, r.Next
	in.At, err = strconv.ParseInt(at, 10, 64)
	return in, err
}

func parseRange(text string) (r Range, err error) {
	first, count, _ := strings.Cut(text, "+")
	if r.First, err = strconv.ParseInt(first, 10, 64); err != nil {
		return Range{}, err
	}
	n, err := strconv.ParseInt(count, 10, 64)
	// A sum past the largest offset is negative, and refused as empty.
	r.Next = r.First + n
	return r, err
}
