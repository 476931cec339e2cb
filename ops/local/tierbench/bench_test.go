package tierbench

import (
	"strings"
	"testing"
)

func TestRates(t *testing.T) {
	f := func(w Figures, rate, bytes float64) {
		t.Helper()
		d := Day{Rows: 1000, Export: w, Verify: w, Engine: w, DuckDB: w}
		if err := d.derive(); err != nil {
			t.Fatal(err)
		}
		for _, w := range d.writers() {
			if w.RowsPerCPUSecond != rate || w.BytesPerRow != bytes {
				t.Errorf("%s: %v rows/CPU-s of %v B, want %v of %v", w.name, w.RowsPerCPUSecond, w.BytesPerRow, rate, bytes)
			}
		}
	}
	f(Figures{Seconds: 0.5, Bytes: 40_000}, 2000, 40)
	f(Figures{Seconds: 3, Bytes: 33_333}, 333, 33.33)
}

// A day too small to be measured has no rates that look like some.
func TestNoRateOfNothing(t *testing.T) {
	d := Day{Rows: 10, Export: Figures{Seconds: 0.1, Bytes: 1}, Verify: Figures{Bytes: 1}, Engine: Figures{Seconds: 0.1}, DuckDB: Figures{Seconds: 0.1, Bytes: 1}}
	err := d.derive()
	for _, want := range []string{"compactor: verify alone took 0.00 CPU-seconds", "ClickHouse: INSERT INTO s3 took 0.10 CPU-seconds for 0 bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "DuckDB") {
		t.Errorf("%v; DuckDB has figures", err)
	}
}

func TestFaultsOfAConfig(t *testing.T) {
	err := Config{Rows: []int{5, 0}, Bin: t.TempDir()}.Validate()
	for _, want := range []string{"--rows is 0", "--devices is 0", "program compactor: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if err := (Config{Bin: t.TempDir()}).Validate(); err == nil || !strings.Contains(err.Error(), "--rows is empty") {
		t.Errorf("%v; want that --rows is empty", err)
	}
}
