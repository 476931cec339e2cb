package pipeline

import (
	"slices"
	"testing"
)

func TestOwnership(t *testing.T) {
	var o ownership
	if o.epoch(3) != 0 || len(o.list()) != 0 {
		t.Error("a new node owns something")
	}
	o.drop([]int32{3}) // of a partition it never had
	o.take(3, "")
	o.take(1, "")
	first, other := o.epoch(3), o.epoch(1)
	if first == 0 || other == 0 || first == other {
		t.Errorf("epochs %d and %d; want two, and not 0", first, other)
	}
	if !slices.Equal(o.list(), []int32{1, 3}) {
		t.Errorf("owns %v", o.list())
	}
	o.drop([]int32{3})
	if o.epoch(3) != 0 || !slices.Equal(o.list(), []int32{1}) {
		t.Errorf("dropped, and owns %v with epoch %d", o.list(), o.epoch(3))
	}
	if o.take(3, ""); o.epoch(3) == first || o.epoch(3) == other {
		t.Errorf("taken again under epoch %d, which was there before", o.epoch(3))
	}
	if o.take(1, ""); o.epoch(1) == other {
		t.Error("taken twice under one epoch")
	}
}

// A tenure is settling, then ready, then ending; none of these is left again.
func TestATenureGoesOneWay(t *testing.T) {
	var o ownership
	expect := func(what string, ready ...int32) {
		t.Helper()
		if got := o.ready(); !slices.Equal(got, ready) {
			t.Errorf("%s: ready are %v; want %v", what, got, ready)
		}
	}
	if _, _, ok := o.settle(1, 10); ok {
		t.Error("settles a partition it does not own")
	}
	o.take(1, "")
	expect("taken")
	epoch, ctx, ok := o.settle(1, 10)
	if !ok || epoch != o.epoch(1) || o.end(1) != 10 || o.end(2) != 0 {
		t.Errorf("settle gave epoch %d, %v; end %d; want epoch %d and end 10", epoch, ok, o.end(1), o.epoch(1))
	}
	if _, _, ok := o.settle(1, 20); ok || o.end(1) != 10 {
		t.Error("it is settled twice in one tenure")
	}
	expect("settling")
	if o.admit(1, epoch+1) || o.admit(2, epoch) {
		t.Error("admitted what is not owned under that epoch")
	}
	if !o.admit(1, epoch) || ctx.Err() != nil {
		t.Error("not admitted, or its tenure is over")
	}
	expect("settled", 1)

	o.ending([]int32{1, 5})
	if ctx.Err() == nil || o.admit(1, epoch) {
		t.Error("about to be given up, it still settles or is admitted")
	}
	if _, _, ok := o.settle(1, 30); ok {
		t.Error("about to be given up, it is settled")
	}
	if !o.current(map[int32]uint64{1: epoch}, "") {
		t.Error("about to be given up, nothing of it may be committed any more")
	}
	o.drop([]int32{1})
	if o.current(map[int32]uint64{1: epoch}, "") {
		t.Error("given up, and it may still be committed")
	}

	// A commit says all its partitions or none.
	o.take(1, "")
	o.take(2, "")
	_, gone, _ := o.settle(2, 0)
	if !o.current(map[int32]uint64{1: o.epoch(1), 2: o.epoch(2)}, "") || o.current(map[int32]uint64{1: epoch, 2: o.epoch(2)}, "") {
		t.Error("current is not that of every partition")
	}
	if o.end(1) != 0 {
		t.Errorf("a new tenure begins after %d, where the last one did", o.end(1))
	}
	o.drop([]int32{2}) // lost, with no ending before
	if gone.Err() == nil {
		t.Error("lost, and it still settles")
	}
}
