package watcher

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/ops/canary"
)

// said is a teller and what it has said since it was last asked.
type said struct {
	*teller
	out bytes.Buffer
}

func newSaid() *said {
	s := new(said)
	plain := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	s.teller = &teller{log: slog.New(slog.NewTextHandler(&s.out, &slog.HandlerOptions{ReplaceAttr: plain}))}
	return s
}

func (s *said) lines() []string {
	defer s.out.Reset()
	return strings.Split(strings.TrimSpace(s.out.String()), "\n")
}

// What is wrong is told once, and that it is over.
func TestTold(t *testing.T) {
	s := newSaid()
	f := func(want ...string) {
		t.Helper()
		got := s.lines()
		if len(want) == 0 {
			want = []string{""}
		}
		if len(got) != len(want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("got %q, want %q", got[i], want[i])
			}
		}
	}
	well := Group{Members: 1, Partitions: []Partition{{ID: 3}}}
	s.kafka(well, nil)
	f()
	s.kafka(Group{}, errors.New("connection refused"))
	s.kafka(Group{}, errors.New("no answer within 5s"))
	f(`level=WARN msg="kafka does not answer" problem="connection refused"`)
	s.kafka(Group{Partitions: []Partition{{ID: 3, Gone: 12, Note: "the metadata is not Penstock's"}}}, nil)
	f(`level=INFO msg="kafka does not answer: no more"`, `msg="no node"`,
		`msg="p3 cannot be read on" problem="offset out of range: Kafka has deleted 12 records of p3`, `msg="the commit of p3 is not understood"`)
	s.kafka(well, nil)
	f("no node: no more", "p3 cannot be read on: no more", "the commit of p3 is not understood: no more")
	s.kafka(Group{Members: 1, Partitions: []Partition{{ID: 3, Beyond: true}}}, nil)
	f("the topic was made anew")

	lacking := Server{Missing: []missing{{"disks", "not granted"}}}
	s.server("1", lacking, nil)
	s.server("1", lacking, nil)
	f(`msg="clickhouse shard 1 does not tell of disks" problem="not granted"`)
	s.server("1", Server{}, errors.New("connection refused"))
	f("clickhouse shard 1 does not answer")
}

// An outage is some lines and not one a canary.
func TestCanariesTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSaid()
		for range 150 {
			s.missed("p0")
			time.Sleep(time.Second)
		}
		if got := s.lines(); len(got) != 3 || !strings.Contains(got[2], "missed=121 for=2m0s") {
			t.Errorf("%q", got)
		}
		for range 100 {
			s.late(canary.Canary{}, time.Minute)
		}
		s.seen()
		s.seen()
		if got := s.lines(); len(got) != 4 || !strings.Contains(got[3], `msg="canaries are visible again" missed=150 after=2m30s`) {
			t.Errorf("%q", got)
		}
	})
}

// What a server has no table for is missing, and any other fault is one.
func TestOptional(t *testing.T) {
	f := func(err error, isMissing bool) {
		t.Helper()
		var all []missing
		got := optional(&all, "disks", err)
		if isMissing != (len(all) == 1) || isMissing == (got != nil) {
			t.Errorf("%v: missing %v, error %v", err, all, got)
		}
	}
	f(&clickhouse.Exception{Code: 497}, true)
	f(&clickhouse.Exception{Code: 60}, true)
	f(&clickhouse.Exception{Code: 241}, false)
	f(errors.New("connection refused"), false)
}
