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
	o.drop(3) // of a partition it never had
	first, other := o.take(3), o.take(1)
	if first == 0 || other == 0 || first == other {
		t.Errorf("epochs %d and %d; want two, and not 0", first, other)
	}
	if o.epoch(3) != first || o.epoch(1) != other {
		t.Errorf("epochs %d and %d; want those taken, %d and %d", o.epoch(3), o.epoch(1), first, other)
	}
	if !slices.Equal(o.list(), []int32{1, 3}) {
		t.Errorf("owns %v", o.list())
	}
	o.drop(3)
	if o.epoch(3) != 0 || !slices.Equal(o.list(), []int32{1}) {
		t.Errorf("dropped, and owns %v with epoch %d", o.list(), o.epoch(3))
	}
	if again := o.take(3); again == first || again == other {
		t.Errorf("taken again under epoch %d, which was there before", again)
	}
	if twice := o.take(1); twice == other {
		t.Error("taken twice under one epoch")
	}
}
