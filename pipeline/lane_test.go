package pipeline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/dedup"
	"penstock/pipeline/intent"
)

var rewrite = flag.Bool("rewrite", false, "write what the transcripts give into them; read the difference before you keep it")

// TestLane plays the transcripts of testdata/lane: a lane's fill goroutine in
// fake time, and in the place of its drain a person who says when a batch is
// stored. Each command is followed by what it made the lane do.
//
//	lane rows=R bytes=B age=A [behind=D]
//	                            begins one with two batches
//	assign P...[@OFFSET[/GAP]]  partitions begin to be the lane's, settled up to OFFSET,
//	                            or up to GAP, with OFFSET their head
//	fetch P FIRST..LAST [seq=S] [anew] [malformed] [at=T] [ago=D] [more]
//	                            events numbered from S, or from FIRST; each number
//	                            has a time of its own, or anew the present one
//	gap P FIRST..LAST [to=N] [closes] ...
//	                            the gap reader's chunk, which accounts for all up to N,
//	                            and with which the last gap is closed
//	wait D                      time passes
//	stored                      the oldest sealed batch comes home
//	revoke P...                 given up within a second
//	late P...                   settled when they are about to be given up
//	lose P...                   no longer the node's; nobody tells the lane
//	end                         the lane's context ends
func TestLane(t *testing.T) {
	files, err := filepath.Glob("testdata/lane/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			synctest.Test(t, func(t *testing.T) { play(t, string(text), &got) })
			if *rewrite {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(text) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), text)
			}
		})
	}
}

// stage is a lane and the person in the place of its drain.
type stage struct {
	t      *testing.T
	lane   *lane
	owned  ownership
	sealed []*batch // and not yet home
	end    func()
	ended  chan error

	mu  sync.Mutex // guards log
	log []string
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// said returns what was said since it was asked last.
func (s *stage) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

// curtain is when every transcript begins: a bubble begins before any credible
// event.
var curtain = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// play runs a transcript, and writes it with what came of each command.
func play(t *testing.T, transcript string, out *strings.Builder) {
	time.Sleep(time.Until(curtain))
	var s *stage
	for block := range strings.SplitSeq(strings.TrimSpace(transcript), "\n\n") {
		head, _, ok := strings.Cut(block, "\n----")
		if !ok {
			t.Fatalf("no ---- in %q", block)
		}
		for line := range strings.SplitSeq(head, "\n") {
			words := strings.Fields(line)
			if strings.HasPrefix(line, "#") {
				continue
			}
			if words[0] == "lane" {
				if s != nil {
					s.close()
				}
				s = newStage(t, words[1:])
				continue
			}
			s.command(words[0], words[1:])
			s.settle()
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(out, "%s\n----\n", head)
		for _, line := range s.said() {
			fmt.Fprintln(out, line)
		}
	}
	s.close()
}

func (s *stage) close() {
	s.end()
	if err := <-s.ended; err != nil {
		s.t.Error("fill:", err)
	}
}

func newStage(t *testing.T, options []string) *stage {
	cfg := Default()
	cfg.Lanes, cfg.Batch.PerLane = 1, 2
	for _, o := range options {
		var bytes int64
		switch name, value, _ := strings.Cut(o, "="); name {
		case "rows":
			scan(t, value, &cfg.Batch.Rows)
		case "bytes":
			scan(t, value, &bytes)
			cfg.Memory = cfg.memoryFor(bytes)
		case "age":
			cfg.Batch.Age = duration(t, value)
		case "behind":
			cfg.Batch.Behind = duration(t, value)
		}
	}
	s := &stage{t: t, ended: make(chan error, 1)}
	events := Events{
		Sealed: func(e Sealed) {
			gear := ""
			if e.Behind {
				gear = ", behind"
			}
			s.say("sealed by %s: %d rows, %d duplicates, %d rejects, age %v%s", e.Cause, e.Rows, e.Duplicates, e.Rejects, e.Age, gear)
		},
		DedupShrunk: func(int) { s.say("identities forgotten") },
	}.ensure()
	s.lane = newLane(0, cfg, newestTelemetry(), "run", &s.owned, events, plainDecoders(cfg), func(int, bool) {})
	ctx, cancel := context.WithCancel(t.Context())
	s.end = cancel
	go func() { s.ended <- s.lane.fill(ctx) }()
	go func() {
		for {
			select {
			case r := <-s.lane.releases:
				s.say("commit of all that is stored; gives up %v", r.partitions)
				r.done <- nil
			case r := <-s.lane.gaps:
				s.say("gaps of p%d are to be read: %v", r.partition, r.state.Gaps(r.head))
			case <-ctx.Done():
				return
			}
		}
	}()
	return s
}

// settle waits until the lane rests, and takes what it sealed.
func (s *stage) settle() {
	synctest.Wait()
	for len(s.lane.full) > 0 {
		b := <-s.lane.full
		s.sealed = append(s.sealed, b)
		var spans []string
		for _, p := range slices.Sorted(maps.Keys(b.spans)) {
			spans = append(spans, fmt.Sprintf("p%d[%d,%d)", p, b.spans[p].first, b.spans[p].next))
		}
		s.say("batch %s: %s", b.id, strings.Join(spans, " "))
	}
}

func (s *stage) command(name string, args []string) {
	switch name {
	case "assign":
		s.outcome("assign", s.lane.tell(s.t.Context(), control{admit: s.settled(args)}))
	case "fetch":
		c := s.chunk(args)
		c.gap = intent.Range{}
		s.lane.queue.push(c)
	case "gap":
		c := s.chunk(args)
		go func() {
			select {
			case s.lane.backlog <- c:
			case <-s.lane.ended:
			}
		}()
	case "wait":
		time.Sleep(duration(s.t, args[0]))
	case "stored":
		if len(s.sealed) == 0 {
			s.t.Fatal("nothing is sealed")
		}
		b := s.sealed[0]
		s.sealed = s.sealed[1:]
		b.reset()
		s.lane.free <- b
	case "revoke":
		ps := partitions(s.t, args)
		s.owned.ending(ps)
		go func() {
			ctx, cancel := context.WithTimeoutCause(s.t.Context(), time.Second, errors.New("time is up"))
			defer cancel()
			s.outcome("revoke", s.lane.tell(ctx, control{release: ps, cause: SealedByRevoke, wait: ctx}))
			s.owned.drop(ps)
		}()
	case "late":
		admit := s.settled(args)
		s.owned.ending(slices.Collect(maps.Keys(admit)))
		s.outcome("late", s.lane.tell(s.t.Context(), control{admit: admit}))
	case "lose":
		s.owned.drop(partitions(s.t, args))
	case "end":
		s.end()
	default:
		s.t.Fatalf("no command %s", name)
	}
}

// settled begins to own partitions, and returns them as their settlement gives
// them to the lane.
func (s *stage) settled(words []string) map[int32]*tenant {
	admit := map[int32]*tenant{}
	for _, word := range words {
		name, next, _ := strings.Cut(word, "@")
		p := partitions(s.t, []string{name})[0]
		t := &tenant{window: dedup.NewWindow(s.lane.cfg.Dedup.Window, dedup.Sequences), resume: func() {}}
		next, gap, behind := strings.Cut(next, "/")
		if next != "" {
			scan(s.t, next, &t.next)
		}
		s.owned.take(p, "")
		t.epoch = s.owned.epoch(p)
		if behind {
			r := &reading{partition: p, epoch: t.epoch, head: t.next}
			scan(s.t, gap, &r.state.Offset)
			t.behind(r, dedup.NewWindow(s.lane.cfg.Dedup.Window, dedup.Sequences))
			dedup.Pair(t.gap.window, t.window)
		}
		admit[p] = t
	}
	return admit
}

func (s *stage) outcome(what string, err error) {
	if err != nil {
		s.say("%s: %v", what, err)
	} else if what == "revoke" {
		s.say("revoked")
	}
}

// chunk makes one of events, as of a gap.
func (s *stage) chunk(args []string) chunk {
	var first, last int
	if _, err := fmt.Sscanf(args[1], "%d..%d", &first, &last); err != nil {
		s.t.Fatal(args, err)
	}
	c := chunk{partition: partitions(s.t, args[:1])[0], last: true}
	c.epoch = s.owned.epoch(c.partition)
	seq, anew, malformed, at := first, false, false, time.Now()
	c.gap = intent.Range{First: int64(first), Next: int64(last + 1)}
	for _, o := range args[2:] {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "seq":
			scan(s.t, value, &seq)
		case "anew":
			anew = true
		case "malformed":
			malformed = true
		case "more":
			c.last = false
		case "ago":
			at = at.Add(-duration(s.t, value))
		case "to":
			scan(s.t, value, &c.gap.Next)
		case "closes":
			c.closes = true
		case "at":
			var ms int64
			scan(s.t, value, &ms)
			at = time.UnixMilli(ms)
		}
	}
	for offset := first; offset <= last; offset++ {
		number := seq + offset - first
		taken := curtain.Add(time.Duration(number) * time.Millisecond)
		if anew {
			taken = time.Now()
		}
		value := eventAt(fmt.Sprintf("dev-%d", c.partition), number, taken)
		if malformed {
			value = "{"
		}
		c.records = append(c.records, record(c.partition, offset, value, at))
	}
	return c
}

func scan(t *testing.T, s string, v any) {
	t.Helper()
	if _, err := fmt.Sscan(s, v); err != nil {
		t.Fatal(s, err)
	}
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func partitions(t *testing.T, words []string) []int32 {
	t.Helper()
	out := make([]int32, len(words))
	for i, w := range words {
		scan(t, strings.TrimPrefix(w, "p"), &out[i])
	}
	return out
}

// record is one record as Kafka gives it.
func record(partition int32, offset int, value string, at time.Time) *kgo.Record {
	return &kgo.Record{Topic: "telemetry", Partition: partition, Offset: int64(offset), Timestamp: at, Value: []byte(value)}
}
