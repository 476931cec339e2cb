package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"penstock/tiering"
)

// Without a terminal a long step is heard of now and then, not at every block,
// with the same figures whatever it is.
func TestProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out)
		defer p.close()
		e := p.events()
		f := func(action tiering.Action, want string, do func(tiering.Step)) {
			t.Helper()
			out.Reset()
			step := tiering.Step{Day: 20_000, Action: action, Generation: 2}
			e.Begun(step)
			do(step)
			e.Done(step, 1_234_567*time.Microsecond)
			if out.String() != want {
				t.Errorf("%s: got\n%swant\n%s", action, out.String(), want)
			}
		}
		each := func(call func(rows uint64)) {
			for i := range uint64(100) { // a row every quarter of a second
				call(i)
				time.Sleep(time.Second / 4)
			}
		}
		file := tiering.File{Path: "day=2024-10-04/x.parquet", Rows: 100, Bytes: 43_210}
		f(tiering.Export, `  stored day=2024-10-04/x.parquet: 100 rows, 43210 bytes
  export 2024-10-04: 40 of 100 rows, 4 rows/s, 43.2 kB, 15s left
  export 2024-10-04: 80 of 100 rows, 4 rows/s, 43.2 kB, 5s left
  verify 2024-10-04: 20 of 100 rows, 4 rows/s, 43.2 kB, 20s left
  verify 2024-10-04: 60 of 100 rows, 4 rows/s, 43.2 kB, 10s left
export 2024-10-04, generation 2: done in 1.235s
`, func(s tiering.Step) {
			e.FileStored(s.Day, file)
			each(func(rows uint64) { e.Exporting(s.Day, rows, 100) })
			e.FileRead(s.Day, file)
			each(func(rows uint64) { e.Verified(s.Day, rows, 100) })
		})
		f(tiering.Load, `  load 2024-10-04: 40 of 100 rows, 4 rows/s, 43.2 kB, 15s left
  load 2024-10-04: 80 of 100 rows, 4 rows/s, 43.2 kB, 5s left
  compare 2024-10-04: 20 of 100 rows, 4 rows/s, 20s left
  compare 2024-10-04: 60 of 100 rows, 4 rows/s, 10s left
load 2024-10-04: done in 1.235s
`, func(s tiering.Step) {
			e.FileRead(s.Day, file)
			each(func(rows uint64) { e.Loaded(s.Day, rows, 100) })
			each(func(rows uint64) { e.Compared(s.Day, rows, 100) })
		})
		f(tiering.Seal, "seal 2024-10-04, generation 2: done in 1.235s\n", func(tiering.Step) {})
	})
}

func TestFigures(t *testing.T) {
	f := func(rows, of uint64, bytes int64, took time.Duration, want string) {
		t.Helper()
		if got := figures(rows, of, bytes, took); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(0, 10, 0, 0, "0 of 10 rows")
	f(10, 1000, 5, 999*time.Millisecond, "10 of 1000 rows")
	f(0, 10, 0, time.Minute, "0 of 10 rows, 0 rows/s")
	f(1_000_000, 3_000_000, 38_000_000, 4*time.Second, "1000000 of 3000000 rows, 250000 rows/s, 38.0 MB, 8s left")
	f(3_000_000, 3_000_000, 114_000_000, 12*time.Second, "3000000 of 3000000 rows, 250000 rows/s, 114.0 MB")
}

func TestSize(t *testing.T) {
	f := func(bytes uint64, want string) {
		t.Helper()
		if got := size(bytes); got != want {
			t.Errorf("%d: got %q, want %q", bytes, got, want)
		}
	}
	f(0, "0 B")
	f(999, "999 B")
	f(1_000, "1.0 kB")
	f(123_456, "123.5 kB")
	f(12_345_678_901, "12.3 GB")
	f(1<<63, "9.2 EB")
}
