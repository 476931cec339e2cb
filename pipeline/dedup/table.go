package dedup

// table is a set of words, none of them 0, by open addressing with linear
// probing (Knuth, The Art of Computer Programming 3, 6.4, algorithm L). It has
// no pointer, so the collector does not look through it.
//
// Why not a Go map? Where the key is kept elsewhere already, a map keeps it a
// second time, and is too large for a cache when this still fits.
type table struct {
	// words are places, a power of two of them; 0 is a free one. A word is at
	// its home or after it with no free place in between, and after the last
	// place comes the first.
	words []uint64
	// shift leaves of a word what says its home: upper bits, which have to be as
	// good as random. So words lie nearly in order, and a larger table is filled
	// from one end to the other.
	shift uint8
	held  int // words that are not 0
}

func newTable() table { return table{words: make([]uint64, 16), shift: 64 - 4} }

func (t *table) home(word uint64) int { return int(word >> (t.shift & 63)) }

func (t *table) after(i int) int { return (i + 1) & (len(t.words) - 1) }

// full says whether one more word makes the table grow: at three quarters. There
// a word that is held is found at the third place on average, and one that is
// not is known for it after nine, one or two lines of cache. Larger: longer
// ways. Smaller: more memory.
func (t *table) full() bool { return t.held >= len(t.words)/4*3 }

// insert adds a word that the table does not hold.
func (t *table) insert(word uint64) {
	if t.full() {
		t.grow()
	}
	t.held++
	t.place(word)
}

func (t *table) place(word uint64) {
	i := t.home(word)
	for t.words[i] != 0 {
		i = t.after(i)
	}
	t.words[i] = word
}

// grow doubles the places, all at once: BenchmarkGrow says how long that takes.
func (t *table) grow() {
	old := t.words
	t.words = make([]uint64, 2*len(old))
	t.shift--
	for _, word := range old {
		if word != 0 {
			t.place(word)
		}
	}
}

// has reports whether the table holds a word.
func (t *table) has(word uint64) bool {
	for i := t.home(word); t.words[i] != 0; i = t.after(i) {
		if t.words[i] == word {
			return true
		}
	}
	return false
}

// replace puts a word where another is that has the same home.
func (t *table) replace(old, word uint64) {
	i := t.home(old)
	for t.words[i] != old {
		i = t.after(i)
	}
	t.words[i] = word
}
