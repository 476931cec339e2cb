package dedup

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestTable holds a table to a map, with words that crowd at its ends.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, want := newTable(), map[uint64]bool{}
		word := rapid.Custom(func(t *rapid.T) uint64 {
			home := rapid.SampledFrom([]uint64{0, 1, 1<<32 - 2, 1<<32 - 1, rapid.Uint64Range(0, 1<<32-1).Draw(t, "any")}).Draw(t, "home")
			return home<<32 | rapid.Uint64Range(1, 200).Draw(t, "low")
		})
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			w := word.Draw(t, "word")
			if table.has(w) != want[w] {
				t.Fatalf("has %x: %v", w, !want[w])
			}
			other := w>>32<<32 | rapid.Uint64Range(1, 200).Draw(t, "other")
			switch {
			case !want[w]:
				table.insert(w)
				want[w] = true
			case !want[other]:
				table.replace(w, other)
				delete(want, w)
				want[other] = true
			}
			if table.held != len(want) || table.held > len(table.words)/4*3 {
				t.Fatalf("holds %d of %d in %d places", table.held, len(want), len(table.words))
			}
		}
		for w := range want {
			if !table.has(w) {
				t.Fatalf("%x is gone", w)
			}
		}
	})
}

// TestHash has blocks whose keys are alike, in a table that is as full as it
// gets: 1.5 places from home is the average of words at random.
func TestHash(t *testing.T) {
	f := func(name string, key func(i uint64) blockKey) {
		t.Helper()
		table := newTable()
		for i := uint64(0); len(table.words) < 1<<16 || !table.full(); i++ {
			table.insert(ref(i + 1).in(key(i).hash()))
		}
		away := 0
		for i, w := range table.words {
			if w != 0 {
				away += (i - table.home(w)) & (len(table.words) - 1)
			}
		}
		if average := float64(away) / float64(table.held); average > 3 {
			t.Errorf("%s: %.1f places from home", name, average)
		}
	}
	f("a device that counts far", func(i uint64) blockKey { return blockKey{7, i} })
	f("a device that skips", func(i uint64) blockKey { return blockKey{7, i << 38} })
	f("devices by their lower bits", func(i uint64) blockKey { return blockKey{i, 0} })
	f("devices by their upper bits", func(i uint64) blockKey { return blockKey{i << 48, 1} })
	f("devices that count in step", func(i uint64) blockKey { return blockKey{device(i % 500), i / 500} })
}

// BenchmarkGrow is how long a reading waits for whose block a table has to grow,
// which at the default dedup.blocks and one partition a lane is one of 250,000.
func BenchmarkGrow(b *testing.B) {
	for _, places := range []int{1 << 14, 1 << 18, 1 << 20, 1 << 24} {
		table := newTable()
		for i := uint64(1); len(table.words) < places || !table.full(); i++ {
			table.insert(device(i))
		}
		b.Run(fmt.Sprint(table.held), func(b *testing.B) {
			for b.Loop() {
				grown := table
				grown.grow()
			}
		})
	}
}
