package pipeline

import (
	"time"

	"penstock/schema"
)

// Events tells whoever watches what the pipeline does. Every function may be
// nil. They are called from the pipeline's own goroutines, several at once,
// and must return at once: a slow one slows the lane.
type Events struct {
	Assigned func(partitions []int32)
	Revoked  func(partitions []int32)
	Lost     func(partitions []int32) // without a chance to finish: another node may already own them
	Polled   func(Polled)
	// PollFailed: Kafka did not answer; the client goes on asking.
	PollFailed func(error)
	Paused     func(lane int) // its queue is full; Kafka keeps the rest
	Resumed    func(lane int)
	Sealed     func(Sealed)
	Rejected   func(Rejected)
	Inserted   func(Inserted)
	Retrying   func(Retrying)
	Breaker    func(open bool)
	Committed  func(Committed)
	// CommitFailed: the next commit covers what this one did not; or, of a
	// release, what was not stored and committed in time is read again by the
	// next owner.
	CommitFailed func(error)
	// DedupShrunk: a lane reached its bound of identities and forgot the
	// older half of the window before its time.
	DedupShrunk func(lane int)
}

// Polled is one partition's share of a poll.
type Polled struct {
	Partition     int32
	First         int64 // offset of the first of the records
	Records       int
	Bytes         int
	HighWatermark int64 // the offset the partition's next record will have
}

// Sealed is a batch as it leaves the fill goroutine.
type Sealed struct {
	Lane       int
	Cause      SealCause
	Records    int // spans in all: Rows + Duplicates + Rejects
	Rows       int
	Duplicates int
	Rejects    int
	Extra      int // rows that hold something the schema has no column for
	Bytes      int
	Age        time.Duration // since its first record
}

// SealCause is the bound a batch reached.
type SealCause string

// The causes.
const (
	SealedByRows   SealCause = "rows"
	SealedByBytes  SealCause = "bytes"
	SealedByAge    SealCause = "age"
	SealedByRevoke SealCause = "revoke"
	SealedByStop   SealCause = "stop"
)

// Rejected is one record on its way to the dead-letter topic.
type Rejected struct {
	Partition int32
	Offset    int64
	Rejection *schema.Rejection
}

// Inserted is one insert that ClickHouse acknowledged.
type Inserted struct {
	Lane     int
	Day      schema.Day
	Rows     int
	Bytes    int
	Attempts int
	Took     time.Duration // all attempts and the waits between them
}

// Retrying is an attempt that failed and will be repeated.
type Retrying struct {
	What    string // "insert", "dead-letter" or, before a node has begun, "check"
	Err     error
	Attempt int
	Wait    time.Duration
}

// Committed is one offset commit that Kafka accepted: per partition, the
// offset below which everything is stored, dead-lettered or a duplicate.
type Committed struct {
	Next map[int32]int64
}

// ensure makes every function callable.
func (e Events) ensure() Events {
	set(&e.Assigned)
	set(&e.Revoked)
	set(&e.Lost)
	set(&e.Polled)
	set(&e.PollFailed)
	set(&e.Paused)
	set(&e.Resumed)
	set(&e.Sealed)
	set(&e.Rejected)
	set(&e.Inserted)
	set(&e.Retrying)
	set(&e.Breaker)
	set(&e.Committed)
	set(&e.CommitFailed)
	set(&e.DedupShrunk)
	return e
}

func set[T any](f *func(T)) {
	if *f == nil {
		*f = func(T) {}
	}
}
