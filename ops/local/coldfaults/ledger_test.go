package coldfaults

import (
	"maps"
	"strings"
	"testing"

	"penstock/schema"
)

// A look is judged from both sides: by what was acknowledged before it began,
// and by what was begun before it ended.
func TestJudge(t *testing.T) {
	const day, other schema.Day = 20_000, 20_001
	l := newLedger()
	for _, b := range []batch{
		{id: 1, of: 1, day: day, rows: 10, hash: 77}, {id: 2, of: 2, day: other, rows: 5, hash: 55},
		{id: 3, of: 1, day: day, rows: 4}, {id: 4, of: 4, day: day, rows: 8, hash: 88},
	} {
		l.begin(b)
	}
	for id := range uint64(3) {
		l.acknowledged(id + 1)
	}
	certain := l.certain()
	all := map[uint64]sight{1: {10, 10, 77}, 2: {5, 5, 55}, 3: {4, 4, 0}, 4: {8, 8, 88}}
	with := func(id uint64, s sight) look {
		seen := maps.Clone(all)
		seen[id] = s
		return look{hashed: true, seen: seen}
	}
	without := func(ids ...uint64) look {
		seen := maps.Clone(all)
		for _, id := range ids {
			delete(seen, id)
		}
		return look{hashed: true, seen: seen}
	}
	f := func(name string, k look, missing, duplicated uint64, finding string) {
		t.Helper()
		v := l.judge(k, certain)
		said := strings.Join(v.Findings, "; ")
		if v.Missing != missing || v.Duplicated != duplicated || v.ok() != (finding == "") || !strings.Contains(said, finding) {
			t.Errorf("%s: missing %d, duplicated %d, %q; want %d, %d and %q", name, v.Missing, v.Duplicated, said, missing, duplicated, finding)
		}
	}
	f("an insert without an answer may be there or not", without(4), 0, 0, "")
	if l.certain()[4] {
		t.Error("an insert without an answer is certain though no look has shown it")
	}
	f("a part of one block", with(4, sight{3, 3, 0}), 0, 0, "3 of 8 rows of an insert that is one block")
	f("a row lost", with(1, sight{9, 9, 0}), 1, 0, "batch 1 of 2024-10-04: 1 of 10 rows are missing")
	f("a batch lost", without(1), 10, 0, "10 of 10 rows are missing")
	f("a row twice", with(1, sight{11, 10, 0}), 0, 1, "11 rows are 10 places")
	f("a row twice and one lost", with(1, sight{10, 9, 0}), 1, 1, "1 of 10 rows are missing")
	f("a value changed", with(2, sight{5, 5, 56}), 0, 0, "hash is 56, 55 was stored")
	f("no hash asked for", look{seen: map[uint64]sight{1: {10, 10, 0}, 2: {5, 5, 0}}}, 0, 0, "")
	f("a resend that is dropped", with(3, sight{1, 1, 0}), 0, 0, "")
	f("a resend twice", with(3, sight{5, 4, 0}), 0, 1, "5 rows are 4 places")
	f("rows nobody stored", with(9, sight{2, 2, 0}), 0, 2, "2 rows of batch 9, which nobody stored")
	asked := day
	f("one day", look{day: &asked, seen: map[uint64]sight{1: {10, 10, 0}}}, 0, 0, "")
	f("one day, a row lost", look{day: &asked, seen: map[uint64]sight{1: {8, 8, 0}}}, 2, 0, "2 of 10 rows are missing")

	// What a look has shown is there from then on.
	certain = l.certain()
	f("what was seen before", without(4), 8, 0, "8 of 8 rows are missing")
	if rows, resent := l.totals(); rows != 23 || resent != 4 {
		t.Errorf("%d rows and %d resends are stored, want 23 and 4", rows, resent)
	}
}

func TestOriginal(t *testing.T) {
	l := newLedger()
	for id, rows := range []uint64{5, 50, 500} {
		l.begin(batch{id: uint64(id), of: uint64(id), rows: rows})
	}
	l.begin(batch{id: 9, of: 2, rows: 500})
	for _, id := range []uint64{0, 1, 9} {
		l.acknowledged(id)
	}
	var among int
	b, ok := l.original(10, func(n int) int { among = n; return 0 })
	if !ok || b.id != 1 || among != 1 {
		t.Errorf("got batch %d of %d, %v; want the one that is stored, large enough and no resend", b.id, among, ok)
	}
	if _, ok := l.original(51, func(int) int { return 0 }); ok {
		t.Error("there is no batch so large that is stored")
	}
}
