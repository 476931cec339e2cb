package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
)

// life is a plan in which days are in every state, and some have no rows.
func life(t *testing.T, now time.Time) []tiering.Step {
	t.Helper()
	var steps []tiering.Step
	add := func(from, to string, state tiering.State, action tiering.Action, due time.Time, hot, sealed, cold uint64) {
		t.Helper()
		first, err := schema.ParseDay(from)
		if err != nil {
			t.Fatal(err)
		}
		last, err := schema.ParseDay(to)
		if err != nil {
			t.Fatal(err)
		}
		for day := first; day <= last; day++ {
			steps = append(steps, tiering.Step{Day: day, State: state, Action: action, Due: due, ColdRows: cold, ColdBytes: int64(cold * 40),
				Partition: tiering.Partition{Day: day, HotRows: hot, HotBytes: hot * 90, SealedRows: sealed, SealedBytes: sealed * 90}})
		}
	}
	later := now.Add(48 * time.Hour)
	add("2025-08-01", "2025-08-20", tiering.Retired, tiering.Nothing, time.Time{}, 0, 0, 0)
	add("2026-08-29", "2026-09-03", tiering.Cold, tiering.Nothing, time.Time{}, 0, 0, 20_000_000)
	add("2026-09-05", "2026-09-05", tiering.Cold, tiering.Nothing, time.Time{}, 0, 0, 20_000_000)
	add("2026-09-07", "2026-09-07", tiering.Restored, tiering.Release, later, 12, 20_000_000, 20_000_000)
	add("2026-09-08", "2026-09-08", tiering.Loading, tiering.Load, time.Time{}, 0, 3_000_000, 20_000_000)
	add("2026-09-09", "2026-09-09", tiering.Released, tiering.Drop, later, 0, 20_000_000, 20_000_000)
	add("2026-09-10", "2026-09-30", tiering.Cold, tiering.Nothing, time.Time{}, 0, 0, 20_000_000)
	add("2026-10-01", "2026-10-02", tiering.Cold, tiering.Seal, time.Time{}, 17, 0, 20_000_000)
	add("2026-10-03", "2026-10-19", tiering.Cold, tiering.Seal, later, 17, 0, 20_000_000)
	add("2026-10-20", "2026-10-20", tiering.Cut, tiering.Expire, later, 0, 20_000_000, 19_999_000)
	add("2026-10-21", "2026-10-21", tiering.Published, tiering.CutOver, time.Time{}, 0, 20_000_000, 19_999_000)
	add("2026-10-22", "2026-10-22", tiering.Sealed, tiering.Export, time.Time{}, 5, 20_000_000, 0)
	add("2026-10-23", "2026-10-23", tiering.Hot, tiering.Seal, time.Time{}, 20_000_000, 0, 0)
	add("2026-10-24", "2026-11-23", tiering.Hot, tiering.Seal, later, 20_000_000, 0, 0)
	return steps
}

func TestCalendarGolden(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f := func(name string, k calendar) {
		t.Helper()
		k.now = now
		golden(t, name, []byte(k.text(life(t, now))))
	}
	f("calendar_20.txt", calendar{months: 4, width: 20})
	f("calendar_80.txt", calendar{months: 12, width: 80})
	f("calendar_118.txt", calendar{months: 4, width: 118})
	f("calendar_colour.txt", calendar{months: 2, width: 80, colour: true})
	if got := (calendar{now: now, months: 12, width: 80}).text(nil); got != "no day has any rows\n" {
		t.Errorf("of nothing it shows %q", got)
	}
}

// Every state that a step can be in has a letter of its own.
func TestCalendarLetters(t *testing.T) {
	seen := map[byte]string{}
	for _, m := range marks {
		if other, ok := seen[m.letter]; ok {
			t.Errorf("%s and %s are both %c", m.name, other, m.letter)
		}
		seen[m.letter] = m.name
	}
	for _, s := range tiering.States() {
		if markOf(s).letter == '?' {
			t.Errorf("state %s has no letter", s)
		}
	}
}

// What is no terminal gets no colour and 80 columns, and so is piped text.
func TestCalendarFits(t *testing.T) {
	k := calendar{width: 80}
	k.fit(new(bytes.Buffer))
	file, err := os.Create(filepath.Join(t.TempDir(), "calendar.txt"))
	if err != nil {
		t.Fatal(err)
	}
	k.fit(file)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if k.colour || k.width != 80 {
		t.Errorf("got %+v", k)
	}
}

func TestRanges(t *testing.T) {
	if got, want := ranges([]schema.Day{20_000, 20_002, 20_003, 20_004, 20_006}), "2024-10-04, 2024-10-06..2024-10-08, 2024-10-10"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
