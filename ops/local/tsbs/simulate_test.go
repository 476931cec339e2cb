package tsbs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/schema"
)

func simulate(t *testing.T, change func(*Fleet)) Simulation {
	t.Helper()
	f := DefaultFleet()
	f.Trucks, f.Length = 20, 10*time.Minute
	change(&f)
	s, err := Simulate(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// text is everything that is sent, in order.
func text(t *testing.T, s Simulation) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, i := range s.Sends {
		line, err := s.Events[i].JSON()
		if err != nil {
			t.Fatal(err)
		}
		all.Write(line)
	}
	return all.Bytes()
}

// printed makes a process of this test print what is sent by a seed.
const printed = "TSBS_TEST_SEED"

// A run that failed can be had again by its seed, in a process of its own: some
// of TSBS's distributions go on from where the last simulation left them.
func TestASeedDecidesEverything(t *testing.T) {
	if seed := os.Getenv(printed); seed != "" {
		n, err := strconv.ParseInt(seed, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("sum %x\n", sha256.Sum256(text(t, simulate(t, func(f *Fleet) { f.Seed = n }))))
		return
	}
	sum := func(seed string) string {
		t.Helper()
		cmd := exec.Command(os.Args[0], "-test.run", "^TestASeedDecidesEverything$")
		cmd.Env = append(os.Environ(), printed+"="+seed)
		out, err := cmd.CombinedOutput()
		line, _, ok := strings.Cut(string(out), "\n")
		if err != nil || !ok || !strings.HasPrefix(line, "sum ") {
			t.Fatalf("%v\n%s", err, out)
		}
		return line
	}
	one := sum("1")
	if one != sum("1") {
		t.Error("the same seed gave another stream")
	}
	if one == sum("2") {
		t.Error("another seed gave the same stream")
	}
}

// What makes TSBS worth the while has to be in what is sent, and what the wrapper
// adds: no event without a number of its own, none sent more than twice, no
// resend before its event.
func TestWhatIsSent(t *testing.T) {
	s := simulate(t, func(*Fleet) {})
	streams, dropped, early := map[string]int{}, 0, 0
	type identity struct {
		stream, device string
		seq            uint64
	}
	identities, last := map[identity]bool{}, map[string]time.Time{}
	for _, e := range s.Events {
		streams[e.Stream]++
		if want := map[string]int{"readings": 15, "diagnostics": 11}[e.Stream]; len(e.Values) < want {
			dropped++
		}
		key := e.Stream + e.Device
		if e.Time.Before(last[key]) {
			early++
		}
		last[key] = e.Time
		identities[identity{e.Stream, e.Device, e.Seq}] = true
	}
	if len(streams) != 2 || streams["readings"] < 500 || streams["diagnostics"] < 500 || dropped < 50 || early < 5 || len(identities) != len(s.Events) {
		t.Errorf("of %v %d have dropped values, %d are out of order, and there are %d identities", streams, dropped, early, len(identities))
	}
	seen := make([]int, len(s.Events))
	again := 0
	for _, i := range s.Sends {
		if seen[i]++; seen[i] == 2 {
			again++
		}
		if seen[i] > 2 || i > 0 && seen[i] == 1 && seen[i-1] == 0 {
			t.Fatalf("event %d is sent %d times, the one before it %d", i, seen[i], seen[max(0, i-1)])
		}
	}
	if share := float64(again) / float64(len(s.Events)); share < 0.03 || share > 0.07 {
		t.Errorf("%.3f of the events are sent again, want 0.05", share)
	}
}

// The schema files have a column for all that TSBS makes.
func TestSchemasKnowEveryValue(t *testing.T) {
	schemas, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range simulate(t, func(*Fleet) {}).Events {
		for name := range e.Values {
			if !hasField(schemas[e.Stream], name) {
				t.Fatalf("the schema of %s has no field %s", e.Stream, name)
			}
		}
	}
}

func hasField(s *schema.Schema, name string) bool {
	for _, c := range s.Fields {
		if c.Name == name {
			return true
		}
	}
	return false
}

func TestFaultsOfAFleet(t *testing.T) {
	_, err := Simulate(Fleet{Every: time.Second, Resend: 1})
	want := "trucks is 0; want at least 1\nlength is 0s; want at least 1s, the time between two events\nresend is 1; want a share in [0, 1), such as 0.05"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
