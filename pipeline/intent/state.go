package intent

import "fmt"

// Intent says, before the insert, that a span of one partition is about to be
// stored in a batch.
type Intent struct {
	// Batch is the id of the batch, and the token of its insert: the one insert
	// that holds rows of all its partitions.
	Batch string
	// Step counts the tokens that were found spent while rows of the span were
	// missing. The owner of a batch inserts at step 0; only a settlement goes on.
	Step int
	// Shard is the name of the shard the rows go to.
	Shard string
	// First and Next are the span, [First, Next); never empty.
	First, Next int64
	// At is when the batch was declared, in Unix seconds. For people: it decides
	// nothing.
	At int64
}

// Token returns the token under which the intent's rows of the partition are
// inserted. At step 0 it is the batch's own, which all its partitions share.
// A later one is the partition's: the others have owners of their own by then.
func (in Intent) Token(partition int32) string {
	if in.Step == 0 {
		return in.Batch
	}
	return fmt.Sprintf("%s/p%d/%d", in.Batch, partition, in.Step)
}

// State is what the offset commit of a partition says.
type State struct {
	// Offset is where a reader who knows nothing of intents would go on:
	// everything below it is stored, dead-lettered or a duplicate.
	Offset int64
	// Pending are the spans that may be stored, in part or not at all: ascending,
	// not overlapping, none below Offset, no batch twice. Between two of them
	// there are only offsets that have no record.
	Pending []Intent
}

// End returns where reading goes on.
func (s State) End() int64 {
	if n := len(s.Pending); n > 0 {
		return s.Pending[n-1].Next
	}
	return s.Offset
}

// The bounds of names: sixteen intents of them fit the metadata.
const (
	maxBatch = 96
	maxShard = 64
)

// fault returns what is wrong with the state, or nil. Nothing that has a fault
// is printed, and nothing that was read with one is used.
func (s State) fault() error {
	if s.Offset < 0 {
		return fmt.Errorf("offset %d is negative", s.Offset)
	}
	end := s.Offset
	for i, in := range s.Pending {
		if err := in.fault(); err != nil {
			return err
		}
		if in.First < end {
			return fmt.Errorf("batch %s begins at %d, before %d where what precedes it ends", in.Batch, in.First, end)
		}
		end = in.Next
		for _, older := range s.Pending[:i] {
			if older.Batch == in.Batch {
				return fmt.Errorf("batch %s is there twice", in.Batch)
			}
		}
	}
	return nil
}

func (in Intent) fault() error {
	switch {
	case !isName(in.Batch, maxBatch):
		return fmt.Errorf("batch id %.100q is not 1 to %d of A-Z a-z 0-9 . _ -", in.Batch, maxBatch)
	case !isName(in.Shard, maxShard):
		return fmt.Errorf("batch %s: shard name %.100q is not 1 to %d of A-Z a-z 0-9 . _ -", in.Batch, in.Shard, maxShard)
	case in.Step < 0:
		return fmt.Errorf("batch %s: step %d is negative", in.Batch, in.Step)
	case in.Next <= in.First:
		return fmt.Errorf("batch %s: span [%d,%d) is empty", in.Batch, in.First, in.Next)
	case in.At < 0:
		return fmt.Errorf("batch %s: time %d is negative", in.Batch, in.At)
	}
	return nil
}

// IsShard says whether an intent can name a shard so.
func IsShard(name string) bool { return isName(name, maxShard) }

func isName(s string, most int) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= most
}
