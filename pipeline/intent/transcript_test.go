package intent

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the transcripts give into them; read the difference before you keep it")

// stage obeys a transcript's commands and, after each block of them, says what
// they made of what it holds.
type stage interface {
	command(verb string, args []string, say func(format string, args ...any))
	show(say func(format string, args ...any))
}

// TestLedger plays the transcripts of testdata/ledger. After each block comes
// what a commit says now, which batches may be inserted, and how many are in
// flight.
//
//	begin P=OFFSET...         partitions begin
//	head P HEAD OFFSET [METADATA]
//	                          one begins with what a commit says, and reading at HEAD
//	declare ID SPAN...        SPAN is P[FIRST,NEXT), on shard s1, or P[FIRST,NEXT)@SHARD
//	fits ID SPAN...           whether it may be declared
//	due NAME                  what is due is taken down as a commit of that name
//	committed NAME            Kafka has accepted it
//	commit                    both at once
//	says                      what a commit says of every partition, due or not
//	stored ID... / renew ID AS / end P...
func TestLedger(t *testing.T) {
	playAll(t, "ledger", func() stage { return &ledgerStage{l: NewLedger(), taken: map[string]map[int32]State{}} })
}

// TestSettlement plays the transcripts of testdata/settlement. After each block
// comes the step that is next.
//
//	settle P OFFSET [METADATA]
//	done / missing N / unspent
func TestSettlement(t *testing.T) {
	playAll(t, "settlement", func() stage { return &settlementStage{} })
}

func playAll(t *testing.T, folder string, begin func() stage) {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := perform(string(text), begin())
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("got\n%s\nwant\n%s", got, text)
			}
		})
	}
}

// perform returns the transcript with what its commands give now. A block is
// comments, commands, "----" and what they gave, up to an empty line.
func perform(text string, s stage) string {
	var out strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	for i, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			say("")
		}
		script, _, _ := strings.Cut(block, "----")
		out.WriteString(strings.TrimSpace(script) + "\n----\n")
		for line := range strings.Lines(strings.TrimSpace(script)) {
			fields := strings.Fields(line)
			if fields[0] != "#" {
				obey(s, fields, say)
			}
		}
		s.show(say)
	}
	return out.String()
}

func obey(s stage, fields []string, say func(string, ...any)) {
	defer func() {
		if r := recover(); r != nil {
			say("%v", r)
		}
	}()
	s.command(fields[0], fields[1:], say)
}

type ledgerStage struct {
	l     *Ledger
	ids   []string
	taken map[string]map[int32]State
}

func (s *ledgerStage) command(verb string, args []string, say func(string, ...any)) {
	scan := func(text, format string, into ...any) {
		if _, err := fmt.Sscanf(text, format, into...); err != nil {
			panic(fmt.Sprintf("%s: %v", text, err))
		}
	}
	batch := func() Batch {
		b := Batch{ID: args[0], At: 9, Spans: map[int32]Span{}}
		for _, text := range args[1:] {
			var p int32
			span := Span{Shard: "s1"}
			text, shard, named := strings.Cut(text, "@")
			if named {
				span.Shard = shard
			}
			scan(text, "p%d[%d,%d)", &p, &span.First, &span.Next)
			b.Spans[p] = span
		}
		return b
	}
	switch verb {
	case "begin":
		for _, a := range args {
			var p int32
			var offset int64
			scan(a, "p%d=%d", &p, &offset)
			s.l.Begin(p, State{Offset: offset}, offset)
		}
	case "head":
		var p int32
		var head, offset int64
		scan(strings.Join(args[:3], " "), "p%d %d %d", &p, &head, &offset)
		state, err := Parse(offset, strings.Join(args[3:], " "))
		if err != nil {
			panic(err)
		}
		s.l.Begin(p, state, head)
	case "declare":
		s.l.Declare(batch())
		s.ids = append(s.ids, args[0])
	case "fits":
		say("fits %s: %t", args[0], s.l.Fits(batch()))
	case "due":
		s.taken[args[0]] = s.l.Due()
	case "committed":
		s.l.Committed(s.taken[args[0]])
	case "commit":
		s.l.Committed(s.l.Due())
	case "says":
		all := s.l.Says()
		for _, p := range slices.Sorted(maps.Keys(all)) {
			say("says p%d=%d %s", p, all[p].Offset, all[p].Metadata())
		}
	case "stored":
		for _, id := range args {
			s.l.Stored(id)
		}
	case "renew":
		s.l.Renew(args[0], args[1])
		s.ids = append(s.ids, args[1])
	case "end":
		for _, a := range args {
			var p int32
			scan(a, "p%d", &p)
			s.l.End(p)
		}
	default:
		panic("no command " + verb)
	}
}

func (s *ledgerStage) show(say func(string, ...any)) {
	due := s.l.Due()
	for _, p := range slices.Sorted(maps.Keys(due)) {
		say("due p%d=%d %s", p, due[p].Offset, due[p].Metadata())
	}
	for _, id := range s.ids {
		if s.l.Insertable(id) {
			say("insertable %s", id)
		}
	}
	say("partitions %v, in flight %d", s.l.Partitions(), s.l.InFlight())
}

type settlementStage struct{ s *Settlement }

func (s *settlementStage) command(verb string, args []string, say func(string, ...any)) {
	switch verb {
	case "settle":
		var p int32
		var offset int64
		if _, err := fmt.Sscanf(args[0]+" "+args[1], "p%d %d", &p, &offset); err != nil {
			panic(err)
		}
		state, err := Parse(offset, strings.Join(args[2:], " "))
		if err != nil {
			panic(err)
		}
		s.s = NewSettlement(p, state)
	case "done":
		s.s.Done()
	case "unspent":
		s.s.Unspent()
	case "missing":
		var n int
		if _, err := fmt.Sscan(args[0], &n); err != nil {
			panic(err)
		}
		s.s.Checked(n)
	default:
		panic("no command " + verb)
	}
}

func (s *settlementStage) show(say func(string, ...any)) {
	switch step := s.s.Next(); step.Do {
	case Claim, Confirm:
		say("%s %d %s", step.Do, step.State.Offset, step.State.Metadata())
	case Check:
		say("check %s [%d,%d)", step.Intent.Batch, step.Intent.First, step.Intent.Next)
	case Store:
		alone := ""
		if step.Alone {
			alone = ", alone"
		}
		say("store on %s under %s%s", step.Intent.Shard, step.Token, alone)
	case Finished:
		say("finished, reading goes on at %d, gaps %v", step.State.End(), step.State.Gaps(step.State.End()))
	default:
		say("%s", step.Do)
	}
}
