package top

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"penstock/ops/state"
	"penstock/ops/state/statetest"
)

var rewrite = flag.Bool("rewrite", false, "write what is got into the golden files; read the difference before you keep it")

// TestText: what an operator reads in a terminal of the usual size.
func TestText(t *testing.T) {
	for _, name := range statetest.Names() {
		got := Screen{Width: 100, Runbooks: "http://localhost:9464/runbooks/"}.Text(statetest.New(name))
		path := filepath.Join("testdata", name+".txt")
		if *rewrite {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("got:\n%s\nwant, from %s:\n%s", got, path, want)
		}
	}
}

// TestFits: no line is longer than the terminal is wide, there are no more of them than
// fit, and without colour nothing but text is written.
func TestFits(t *testing.T) {
	for _, name := range statetest.Names() {
		for _, s := range []Screen{{Width: 40, Height: 20}, {Width: 80, Height: 24}, {Width: 200, Height: 60}} {
			text := s.Text(statetest.New(name))
			all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if len(all) > s.Height {
				t.Errorf("%s: %d lines in %+v", name, len(all), s)
			}
			for _, line := range all {
				if utf8.RuneCountInString(line) > s.Width {
					t.Errorf("%s: %q is longer than %d", name, line, s.Width)
				}
			}
			if strings.ContainsRune(text, '\x1b') {
				t.Errorf("%s: %+v has colour", name, s)
			}
		}
	}
	if text := (Screen{Colour: true}).Text(statetest.New(statetest.Away)); !strings.HasPrefix(text, "\x1b[1;31m[!!] ClickHouse does not answer") {
		t.Errorf("the first line is %q", strings.SplitN(text, "\n", 2)[0])
	}
}

// TestKeeps: how long there is to store what waits is said where it is known, and not
// where nobody could see it run out.
func TestKeeps(t *testing.T) {
	f := func(what, want string, change func(*state.Kafka)) {
		t.Helper()
		s := statetest.New(statetest.Away)
		change(&s.Kafka[0])
		got := ""
		for line := range strings.SplitSeq(Screen{}.Text(s), "\n") {
			if strings.HasPrefix(line, "  kafka keeps") {
				got = strings.TrimPrefix(line, "  kafka keeps  ")
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	hours := func(n float64) *float64 { seconds := n * 3600; return &seconds }
	f("the least of it", "records for 5 h 00 min as it deletes now, so what waits for 3 h 00 min more (partition 4)", func(k *state.Kafka) {
		k.Partitions = []state.KafkaPartition{{ID: 2}, {ID: 3, Retention: hours(9)}, {ID: 4, Seconds: 7200, Retention: hours(3)}}
	})
	f("it has not deleted any", "", func(k *state.Kafka) { k.Partitions = []state.KafkaPartition{{ID: 2, Lag: 100}} })
	f("it has deleted what waited", "no longer 1,200 records that were not stored (partition 4)", func(k *state.Kafka) {
		k.Partitions = []state.KafkaPartition{{ID: 3, Retention: hours(9)}, {ID: 4, Gone: 1200, Retention: hours(0)}}
	})
	f("it does not answer", "", func(k *state.Kafka) { k.Up = false })
	f("another stream's", "", func(k *state.Kafka) { k.Stream = "other" })
}

// TestFurthest: who sees some of the partitions knows that there are more.
func TestFurthest(t *testing.T) {
	f := func(partitions int, want string) {
		t.Helper()
		s := statetest.New(statetest.Healthy)
		s.Streams[0].Partitions = s.Streams[0].Partitions[:partitions]
		for line := range strings.SplitSeq(Screen{}.Text(s), "\n") {
			if strings.HasPrefix(line, "  furthest") && !strings.HasSuffix(line, want) {
				t.Errorf("of %d: %q, want it to end with %q", partitions, line, want)
			}
		}
	}
	f(12, "  node (6 of 12 partitions)")
	f(7, "  node (6 of 7 partitions)")
	f(6, "  node")
}

// TestEnds: a runbook is named alone where nobody knows who serves it, and the legend is the
// first that a small terminal does without.
func TestEnds(t *testing.T) {
	text := Screen{}.Text(statetest.New(statetest.Hot))
	if !strings.Contains(text, "runbook      hot-partition\n") || !strings.HasSuffix(text, "\n\n  "+legend+"\n") {
		t.Errorf("in full:\n%s", text)
	}
	if text := (Screen{Height: 24}).Text(statetest.New(statetest.Hot)); strings.Contains(text, legend) || !strings.Contains(text, "more lines") {
		t.Errorf("in 24 lines:\n%s", text)
	}
}

// TestStale: what is shown is not taken for how things are.
func TestStale(t *testing.T) {
	why := errors.New("the program at localhost:9464: connection refused")
	f := func(text string, want ...string) {
		t.Helper()
		for i, line := range strings.Split(text, "\n")[:len(want)] {
			if line != want[i] {
				t.Errorf("line %d is %q, want %q", i, line, want[i])
			}
		}
	}
	s := Screen{Width: 100, Height: 24}
	f(s.Stale(statetest.New(statetest.Healthy), why), "[! ] Stale since 03:00:00 UTC: the program at localhost:9464: connection refused", "", "[ok] All is well: 59.3 k events/s are queryable after 0.6 s (p99).")
	f(s.Stale(state.State{}, why), "[! ] the program at localhost:9464: connection refused", "")
}
