package loadtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"penstock/schema"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files; look at the difference before committing it")

var testStart = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testConfig() Config {
	c := DefaultConfig()
	c.Run, c.Seed, c.Rate, c.Devices = "test", 7, 1000, 100
	return c
}

// emit draws n records at the config's rate and hands over each with its bytes.
func emit(c Config, n int, each func(r record, now int64, value []byte)) *fleet {
	f := newFleet(c, testStart)
	plan := newSchedule(testStart, constant(c.Rate, 0))
	var buf []byte
	for slot := range int64(n) {
		now := plan.at(slot).UnixMilli()
		r := f.draw(now)
		value := f.append(buf[:0], r)
		each(r, now, value)
		if value != nil {
			buf = value
		}
	}
	return f
}

// TestFirstRecords pins what a seed sends: every record of the first ones that
// is short enough to be read.
func TestFirstRecords(t *testing.T) {
	c := testConfig()
	c.Shares = Shares{Resend: 0.05, Late: 0.05, Malformed: 0.1}
	var got bytes.Buffer
	emit(c, 160, func(r record, now int64, value []byte) {
		kinds := [...]string{live: "live", late: "late", resent: "resent", malformed: "malformed"}
		what := kinds[r.kind]
		if r.kind == malformed {
			what += " " + r.flaw.String()
		}
		switch {
		case len(value) > 2000:
			fmt.Fprintf(&got, "%d %s: %d bytes\n", now, what, len(value))
		case utf8.Valid(value):
			fmt.Fprintf(&got, "%d %s: %s\n", now, what, value)
		default:
			fmt.Fprintf(&got, "%d %s: %q\n", now, what, value)
		}
	})
	path := filepath.Join("testdata", "records.golden")
	if *rewrite {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the seed sends something else than %s says; run with -rewrite and look at the difference", path)
	}
}

// TestFate decodes what the fleet sends as the pipeline does: readings are
// stored under the identity the fleet has given them, malformed records are
// rejected for the reason their flaw is listed with.
func TestFate(t *testing.T) {
	t.Run("json", func(t *testing.T) { testFate(t, schema.JSON, 500) })
	t.Run("protobuf", func(t *testing.T) { testFate(t, schema.Protobuf, 170) })
}

func testFate(t *testing.T, encoding schema.Encoding, about int) {
	telemetry := schema.Telemetry()
	decoder := schema.NewDecoder(telemetry, encoding, schema.DefaultMaxRecordBytes)
	block := schema.NewBlock(telemetry)
	c := testConfig()
	c.Encoding, c.Shares.Malformed = encoding, 0.02
	seen := map[flaw]int{}
	size, readings := 0, 0
	emit(c, 10_000, func(r record, now int64, value []byte) {
		key, err := decoder.Decode(schema.Record{Topic: "telemetry", Time: now, Value: value}, block)
		if r.kind == malformed {
			seen[r.flaw]++
			var rejection *schema.Rejection
			if !errors.As(err, &rejection) || rejection.Reason != flaws[r.flaw].reason {
				t.Fatalf("%v: got %v, want rejection for %q", r.flaw, err, flaws[r.flaw].reason)
			}
			return
		}
		if err != nil {
			t.Fatalf("device %d seq %d: %v\n%s", r.device, r.seq, err, value)
		}
		want := schema.Identity{Device: xxhash.Sum64(appendDevice(nil, "dev-test-", r.device)), Seq: uint64(r.seq)}
		if key.Identity != want {
			t.Fatalf("device %d seq %d: identity %v, want %v\n%s", r.device, r.seq, key.Identity, want, value)
		}
		size += len(value)
		readings++
	})
	for _, f := range append(flawsOf[encoding], flawOversize) {
		if seen[f] == 0 {
			t.Errorf("%v: none among 10,000 records", f)
		}
	}
	if mean := size / readings; mean < about*9/10 || mean > about*11/10 {
		t.Errorf("an event has %d bytes in the mean; want about %d", mean, about)
	}
}

func TestResendIsTheSameBytes(t *testing.T) {
	type sent struct {
		at    int64
		value string
	}
	first := map[identity]sent{}
	resends, lateResends := 0, 0
	c := testConfig()
	c.Shares.Late = 0.2
	emit(c, 50_000, func(r record, now int64, value []byte) {
		id := identity{r.device, uint64(r.seq)}
		switch r.kind {
		case live, late:
			if _, again := first[id]; again {
				t.Fatalf("device %d seq %d drawn twice", r.device, r.seq)
			}
			first[id] = sent{now, string(value)}
		case resent:
			resends++
			was, ok := first[id]
			if !ok || was.value != string(value) {
				t.Fatalf("device %d seq %d resent as\n%s, was\n%s", r.device, r.seq, value, was.value)
			}
			if was.at-r.ts > 3_600_000 {
				lateResends++
			}
			// The slot before a malformed or resent one stands in for it.
			if delay := time.Duration(now-was.at) * time.Millisecond; delay < resendMin || delay > resendMax+time.Second {
				t.Fatalf("device %d seq %d resent after %v", r.device, r.seq, delay)
			}
		}
	})
	if got := float64(resends) / 50_000; math.Abs(got-c.Shares.Resend) > 0.003 {
		t.Errorf("%.4f of the records are resends, want %.4f", got, c.Shares.Resend)
	}
	if lateResends == 0 {
		t.Error("no late reading is resent")
	}
}

func TestLateReadings(t *testing.T) {
	for seed := range uint64(50) {
		c := testConfig()
		c.Seed, c.Shares.Late = seed, 0.1
		days := map[schema.Day]int{}
		today := schema.DayOf(testStart.UnixMilli())
		emit(c, 2000, func(r record, _ int64, _ []byte) {
			if r.kind == late {
				days[today-schema.DayOf(r.ts)]++
			}
		})
		cold := 0
		for age := range days {
			if age < 1 || age > maxLateDay {
				t.Fatalf("seed %d: a reading is %d days late", seed, age)
			}
			if age > coldAfter {
				cold++
			}
		}
		if len(days) != lateDays || cold != 2 {
			t.Errorf("seed %d: late readings fall on %d days, %d of them cold; want %d and 2", seed, len(days), cold, lateDays)
		}
	}
}

// TestUnusualReadings finds each odd reading and each generation of firmware.
func TestUnusualReadings(t *testing.T) {
	marks := map[string]string{
		"wrong type": `"temperature":"n/a"`, "escapes": `\u0073ite`, "nested": `"diagnosis":{`,
		"next firmware": `"gateway":{`, "null": `"error_code":null`,
	}
	found := map[string]int{}
	fields := map[string]bool{}
	old := 0
	emit(testConfig(), 20_000, func(r record, _ int64, value []byte) {
		if r.kind == malformed {
			return
		}
		for name, mark := range marks {
			if bytes.Contains(value, []byte(mark)) {
				found[name]++
			}
		}
		if bytes.Contains(value, []byte(`"2.9.4"`)) {
			old++
			return
		}
		if len(fields) == 0 {
			var names map[string]json.RawMessage
			if err := json.Unmarshal(value, &names); err != nil {
				t.Fatalf("%v: %s", err, value)
			}
			for name := range names {
				fields[name] = true
			}
		}
	})
	for name := range marks {
		if found[name] == 0 {
			t.Errorf("no reading with %s", name)
		}
	}
	if old == 0 {
		t.Error("no reading of the old firmware")
	}
	for _, column := range schema.Telemetry().Fields {
		if !fields[column.Name] {
			t.Errorf("a current device sends no %s", column.Name)
		}
	}
}

func TestLoadIsUneven(t *testing.T) {
	c := testConfig()
	c.Devices = 10_000
	f := emit(c, 200_000, func(record, int64, []byte) {})
	busiest, silent := uint32(0), 0
	for _, n := range f.next {
		busiest = max(busiest, n)
		if n == 0 {
			silent++
		}
	}
	if share := float64(busiest) / 200_000; share < 0.005 || share > 0.012 {
		t.Errorf("the busiest device sends %.4f of all; want about 0.008", share)
	}
	if silent > 500 {
		t.Errorf("%d of 10,000 devices send nothing in 200,000 records", silent)
	}
}

func BenchmarkRecord(b *testing.B) {
	f := newFleet(testConfig(), testStart)
	var buf []byte
	bytes := 0
	for b.Loop() {
		buf = f.append(buf[:0], f.draw(testStart.UnixMilli()))
		bytes += len(buf)
	}
	b.SetBytes(int64(bytes / b.N))
}
