package tiering

import "testing"

func TestRowGroupRows(t *testing.T) {
	f := func(name string, most int, total uint64, want int) {
		t.Helper()
		if got := rowGroupRows(most, total); got != want {
			t.Errorf("%s: %d rows a group of %d, want %d", name, got, total, want)
		}
	}
	f("a day of many groups", 250_000, 86_400_000, 250_000)
	f("a twenty-eighth part", 250_000, 2_800_000, 100_000)
	f("no fewer than are worth a group", 250_000, 1_000, 25_000)
	f("what is configured", 10, 1_000, 10)
}
