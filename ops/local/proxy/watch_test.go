package proxy

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
)

// Rows that are held are on the way: they arrive when they are let go, also if
// who sent them is dead by then.
func TestInsertsAreHeld(t *testing.T) {
	s := serve(t)
	var inserts Inserts
	p := listen(t, s, inserts.Watch())
	c, sc := dial(t, p, s)
	inserts.Hold()
	const query, blank = "\x01query", "\x02blank"
	rows := "\x02" + strings.Repeat("row", blankBlock)
	send(t, c, query)
	eventually(t, "the query passes", func() bool { return sc.received() == query })
	send(t, c, blank)
	eventually(t, "a block without rows passes", func() bool { return sc.received() == query+blank })
	send(t, c, rows)
	eventually(t, "the rows are held", func() bool { return inserts.Held() == int64(len(rows)) })
	// More than any buffer of the kernel holds: who sends is done with it all the
	// same.
	long := strings.Repeat("\x01row", 16<<20/4)
	send(t, c, long)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(silence)
	if got := sc.received(); got != query+blank {
		t.Errorf("while held, %d bytes arrived", len(got))
	}
	inserts.Release()
	eventually(t, "the rows arrive", func() bool { return sc.received() == query+blank+rows+long })
	eventually(t, "the end arrives", sc.closed)

	c, sc = dial(t, p, s)
	send(t, c, rows)
	eventually(t, "rows pass again", func() bool { return sc.received() == rows })
	if inserts.Bytes() != int64(len(query+blank+rows)) {
		t.Errorf("%d bytes were counted", inserts.Bytes())
	}
}

// Only what is said after the rows is lost, on the connections that lost
// something and for good.
func TestAnswersAreLost(t *testing.T) {
	s := serve(t)
	var answers Answers
	p := listen(t, s, answers.Watch())
	c, sc := dial(t, p, s)
	other, sother := dial(t, p, s)
	answers.Lose(true)
	send(t, sc, "\x01header")
	if got, _ := reads(t, c, 7); got != "\x01header" {
		t.Errorf("of the header came %q", got)
	}
	send(t, sc, "\x05")
	eventually(t, "an answer is lost", func() bool { return answers.Lost() == 1 })
	answers.Lose(false)
	send(t, sc, "\x01header")
	if got, ended := reads(t, c, 0); got != "" || ended {
		t.Errorf("a silent connection said %q, ended: %v", got, ended)
	}
	send(t, sother, "\x05")
	if got, _ := reads(t, other, 1); got != "\x05" {
		t.Errorf("the other connection got %q", got)
	}
	p.Cut()
	if _, ended := reads(t, c, 1); !ended {
		t.Error("the connection was not cut")
	}
	c, sc = dial(t, p, s)
	send(t, sc, "\x05")
	if got, _ := reads(t, c, 1); got != "\x05" {
		t.Errorf("a new connection got %q", got)
	}
}

// frame is a Kafka request of a kind.
func frame(api API, size int) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(size))
	b = binary.BigEndian.AppendUint16(b, uint16(api))
	return string(append(b, bytes.Repeat([]byte{0}, size-2)...))
}

func TestRequestsAreCut(t *testing.T) {
	const fetch API = 1
	f := func(name string, fault RequestFault, arrives string) {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			var requests Requests
			p := listen(t, s, requests.Watch())
			c, sc := dial(t, p, s)
			requests.Do(OffsetCommit, fault)
			send(t, c, frame(fetch, 40))
			eventually(t, "another request passes", func() bool { return sc.received() == frame(fetch, 40) })
			send(t, c, frame(OffsetCommit, 60))
			if _, ended := reads(t, c, 1); !ended {
				t.Error("the connection was not cut")
			}
			eventually(t, "the server sees the end", sc.closed)
			if got := sc.received(); got != frame(fetch, 40)+arrives {
				t.Errorf("the server got %d bytes", len(got))
			}
			if requests.Cut(OffsetCommit) != 1 || requests.Cut(Produce) != 0 {
				t.Errorf("%d commits cut, %d others", requests.Cut(OffsetCommit), requests.Cut(Produce))
			}
			requests.Heal()
			c, sc = dial(t, p, s)
			send(t, c, frame(OffsetCommit, 60))
			eventually(t, "commits pass again", func() bool { return sc.received() == frame(OffsetCommit, 60) })
		})
	}
	f("before", RequestLost, "")
	f("after", AnswerLost, frame(OffsetCommit, 60))
}

// Requests are found however they are cut into pieces, and bytes that look like
// one inside another are not.
func TestRequestsAreFound(t *testing.T) {
	inner := frame(OffsetCommit, 30)
	stream := frame(3, 90) + frame(Produce, 12) + string(binary.BigEndian.AppendUint32(nil, uint32(2+len(inner)))) + "\x00\x01" + inner + frame(OffsetCommit, 20) + frame(12, 2)
	want := []API{3, Produce, 1, OffsetCommit, 12}
	for size := 1; size <= len(stream); size++ {
		passage := &requestPassage{all: &Requests{}}
		var got []API
		for at := 0; at < len(stream); at += size {
			got = append(got, passage.begun([]byte(stream[at:min(at+size, len(stream))]))...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("in pieces of %d: %v, want %v", size, got, want)
		}
	}
}
