package pipeline

import (
	"time"

	"penstock/pipeline/enrich"
	"penstock/schema"
)

// Events tells whoever watches what the pipeline does. Every function may be
// nil. They are called from the pipeline's own goroutines, several at once,
// and must return at once: a slow one slows the lane.
type Events struct {
	Assigned func(partitions []int32)
	// Settled: a partition the node was given is ready to be read.
	Settled func(Settled)
	Revoked func(partitions []int32)
	Lost    func(partitions []int32) // without a chance to finish: another node may already own them
	Polled  func(Polled)
	// Taken: a lane begins to decode what was polled.
	Taken func(Taken)
	// PollFailed: Kafka did not answer, or does not let the node in; the client goes
	// on asking. It may be called while a poll is handed out.
	PollFailed func(error)
	// Parked: a partition is not read any more, until it is another's or the node is
	// started again; the others are. The error says what a person can do.
	Parked   func(Parked)
	Paused   func(lane int) // its queue is full; Kafka keeps the rest
	Resumed  func(lane int)
	Sealed   func(Sealed)
	Rejected func(Rejected)
	// RejectRate: more of the records are rejected than the config allows, or no
	// longer.
	RejectRate func(RejectRate)
	Inserted   func(Inserted)
	// Stored: nothing of a batch is left to be stored.
	Stored    func(Stored)
	Retrying  func(Retrying)
	Breaker   func(open bool)
	Committed func(Committed)
	// Confirmed tells of one span that a commit confirmed; see Committed.
	Confirmed func(Confirmed)
	// Doubted: the node could not know any longer what is its own, left the
	// group, and joins it again.
	Doubted func(error)
	// DedupShrunk: a lane reached its bound of identities and forgot the
	// older half of the window before its time.
	DedupShrunk func(lane int)
	// DevicesKnown: the list of devices was read, or found unchanged.
	DevicesKnown func(enrich.Current)
	// DevicesAway: it could not be; the last one is used on.
	DevicesAway func(error)
}

// Polled is one partition's share of a poll.
type Polled struct {
	Partition     int32
	First         int64 // offset of the first of the records
	Time          int64 // when Kafka says that it came, ms since 1970; -1 if it does not
	Records       int
	Bytes         int
	HighWatermark int64 // the offset the partition's next record will have
}

// Taken is one partition's share of a poll, as the lane takes it out of its queue.
type Taken struct {
	Lane      int
	Partition int32
	Waited    time.Duration // since the poll
}

// Parked is a partition with a batch that the node must not unpack.
type Parked struct {
	Partition int32
	Err       error
}

// Sealed is a batch as it leaves the fill goroutine.
type Sealed struct {
	Batch      string // its id, and the token of its inserts
	Lane       int
	Cause      SealCause
	Records    int // spans in all: Rows + Duplicates + Rejects
	Rows       int
	Duplicates int
	Rejects    int
	Extra      int // rows that hold something the schema has no column for
	Unknown    int // rows of devices that are not known, where the schema takes anything from them
	Lateness   Lateness
	Bytes      int
	Age        time.Duration // since its first record
	Behind     bool          // it waited for more because all of it was old
}

// SealCause is the bound a batch reached.
type SealCause string

// The causes.
const (
	SealedByRows   SealCause = "rows"
	SealedByBytes  SealCause = "bytes"
	SealedByAge    SealCause = "age"
	SealedByTurn   SealCause = "turn" // all live records are in it, and the backlog is read on
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
	Batch    string
	Lane     int
	Day      schema.Day
	Rows     int
	Bytes    int
	Attempts int
	// Found: the answer to an earlier attempt was lost, and the receipts show
	// that the rows are stored.
	Found bool
	Took  time.Duration // all attempts and the waits between them
}

// Stored is a batch of which every row is stored, a duplicate or dead-lettered,
// and its way there. Between its times no work of it is missing: what a batch
// waits for counts to the step it waits for.
type Stored struct {
	Batch  string
	Lane   int
	Cause  SealCause
	Rows   int // that it was sealed with
	Shares []Share
	// Oldest is when the oldest of its records came to Kafka, by the first of each
	// step that was decoded; ms since 1970.
	Oldest   int64
	Opened   time.Time // its first record was decoded
	Sealed   time.Time
	Declared time.Time // Kafka accepted its intents
	Done     time.Time
	// Traces are up to 16 W3C traceparents of its records that are sampled.
	Traces []string
}

// Share is what a batch accounts for of a partition: the offsets [First, Next).
type Share struct {
	Partition   int32
	First, Next int64
}

// Retrying is an attempt that failed and will be repeated.
type Retrying struct {
	Batch   string // of an insert, whose it is
	What    string // "insert", "dead-letter", "commit", "settle", "registry" or, before a node has begun, "check"
	Err     error
	Attempt int
	Wait    time.Duration
}

// Committed is one offset commit that Kafka accepted: per partition, the
// offset below which everything is stored, dead-lettered or a duplicate.
type Committed struct {
	Lane int
	// InFlight is how many of the lane's batches are declared and not stored, with
	// those that this commit declares.
	InFlight int
	Next     map[int32]int64
	// Gap has the partitions that are read in gaps, too: the offsets below their
	// head that are not done. It is 0 the last time a partition is there.
	Gap map[int32]int64
}

// Confirmed is a span [First, Next) of a partition of which everything is
// stored, dead-lettered or a duplicate, and Kafka knows. Rows of its records
// were stored by this node.
type Confirmed struct {
	Partition   int32
	First, Next int64
	Rows        int
}

// Settled is a partition that was given to the node, and what it took to make
// it ready.
type Settled struct {
	Partition int32
	Next      int64         // the offset it goes on at
	Gap       int64         // offsets from there on that are read beside the partition's head, 0 if it has no gap
	Intents   int           // declared by an earlier owner and not confirmed
	Rows      int           // sent for them, of which some may have been stored before
	Rewound   int64         // offsets beyond what was committed, of which rows were stored
	Took      time.Duration // without the wait for its turn
}

// ensure makes every function callable.
func (e Events) ensure() Events {
	set(&e.Assigned)
	set(&e.Settled)
	set(&e.Revoked)
	set(&e.Lost)
	set(&e.Polled)
	set(&e.Taken)
	set(&e.PollFailed)
	set(&e.Parked)
	set(&e.Paused)
	set(&e.Resumed)
	set(&e.Sealed)
	set(&e.Rejected)
	set(&e.RejectRate)
	set(&e.Inserted)
	set(&e.Stored)
	set(&e.Retrying)
	set(&e.Breaker)
	set(&e.Committed)
	set(&e.Confirmed)
	set(&e.Doubted)
	set(&e.DedupShrunk)
	set(&e.DevicesKnown)
	set(&e.DevicesAway)
	return e
}

func set[T any](f *func(T)) {
	if *f == nil {
		*f = func(T) {}
	}
}
