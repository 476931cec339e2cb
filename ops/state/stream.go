package state

import "time"

// Stream is a topic on its way to its tables: of one node, or of all that read it.
type Stream struct {
	Name  string `json:"name"`
	Topic string `json:"topic"`
	Group string `json:"group"`
	// Nodes are the programs that read it.
	Nodes []string `json:"nodes"`
	// History is oldest first, a sample each [SampleEvery], for [HistoryFor].
	History   []Sample  `json:"history"`
	Rates     Rates     `json:"rates"`
	Freshness Freshness `json:"freshness"`
	Backlog   Backlog   `json:"backlog"`
	// Partitions are those the nodes own, by number.
	Partitions []Partition `json:"partitions"`
	// Settling are those of them that are not read yet, since what an earlier
	// owner declared is made sure of first.
	Settling []Settling `json:"settling,omitempty"`
	InFlight InFlight   `json:"in_flight"`
	Lanes    []Lane     `json:"lanes"`
	// Breakers are those that are open: inserts are held back since ClickHouse
	// failed too often.
	Breakers []Breaker `json:"open_breakers,omitempty"`
	// Failing is what failed and has not succeeded since, by node and what.
	Failing []Failing `json:"failing,omitempty"`
	Rejects Rejects   `json:"rejects"`
	// Doubts is how often nodes left their group and joined again since they
	// could not know what is their own, since they began.
	Doubts int64 `json:"doubts"`
}

const (
	// SampleEvery is what a sample of a history is of. Shorter: a stall of a
	// second is seen. Longer: less to send. It is the promise's five seconds.
	SampleEvery = 5 * time.Second
	// HistoryFor is how far a history goes back: long enough to have the beginning
	// of what wakes somebody up in it.
	HistoryFor = 15 * time.Minute
	// Promise is within how many seconds a record is to be queryable.
	Promise = 5.0
)

// Sample is what happened within [SampleEvery], and how it was in the end.
type Sample struct {
	// At is its end, at a multiple of SampleEvery: those of all nodes are alike.
	At time.Time `json:"at"`
	// Read and Stored are records and rows a second; Rejected records a second.
	Read     float64 `json:"read"`
	Stored   float64 `json:"stored"`
	Rejected float64 `json:"rejected"`
	// P50 and P99 are how old the oldest record of a batch was when ClickHouse
	// acknowledged it, by Kafka's timestamps, over the rows; absent if nothing
	// was stored.
	P50 *float64 `json:"p50_seconds,omitempty"`
	P99 *float64 `json:"p99_seconds,omitempty"`
	// Oldest is the age of the oldest record that was not committed at the end;
	// it grows while nothing is stored, of which there is no P99.
	Oldest float64 `json:"oldest_seconds"`
	Lag    int64   `json:"lag_records"`
}

// Rates are a second, over the last half a minute.
type Rates struct {
	// Read is from Kafka: records, and bytes of keys and values.
	Read      float64 `json:"read_records"`
	ReadBytes float64 `json:"read_bytes"`
	// Stored is to ClickHouse: rows, and bytes of columns before compression.
	Stored      float64 `json:"stored_rows"`
	StoredBytes float64 `json:"stored_bytes"`
	// Inserts are acknowledged ones, and InsertSeconds how long one took on
	// average, all attempts; 0 if there was none.
	Inserts       float64 `json:"inserts"`
	InsertSeconds float64 `json:"insert_seconds"`
	// Retries are attempts that failed and are repeated.
	Retries    float64 `json:"retries"`
	Duplicates float64 `json:"duplicates"`
	Rejected   float64 `json:"rejected"`
}

// Freshness is how old records are when they can be queried, in seconds, over the
// last minute.
type Freshness struct {
	// P50 and P99 are as in [Sample]; of several nodes the worst one's.
	P50 *float64 `json:"p50_seconds,omitempty"`
	P99 *float64 `json:"p99_seconds,omitempty"`
	// Waiting is the age of the oldest record that is not stored yet.
	Waiting float64 `json:"waiting_seconds"`
}

// Backlog is how far behind the nodes are, and when they will have caught up.
type Backlog struct {
	Records int64 `json:"records"`
	// Seconds is the age of the oldest record that is not committed.
	Seconds float64 `json:"seconds"`
	// Done and Arriving are records a second; absent while not known.
	Done     *float64 `json:"done,omitempty"`
	Arriving *float64 `json:"arriving,omitempty"`
	// Left is in how many seconds it will be gone; 0 if there is none to speak of,
	// absent while it is not known or does not shrink.
	Left *float64 `json:"left_seconds,omitempty"`
}

// Behind reports whether the backlog breaks the promise.
func (b Backlog) Behind() bool { return b.Seconds > Promise }

// Partition is where a node stands in one of the topic's partitions.
type Partition struct {
	ID   int32  `json:"partition"`
	Node string `json:"node"`
	// Committed and High are offsets: below the first everything is stored,
	// dead-lettered or a duplicate; the second is that of the next record.
	// -1 while not known.
	Committed int64 `json:"committed"`
	High      int64 `json:"high"`
	// Lag is records that are not committed; Gap is how many of them are read
	// beside the partition's head.
	Lag int64 `json:"lag_records"`
	Gap int64 `json:"gap_records,omitempty"`
	// Seconds is the age of the oldest record that is not committed.
	Seconds float64 `json:"lag_seconds"`
	// Arriving is records a second, as far as they were read.
	Arriving float64 `json:"arriving"`
	// Hot: it gets more than others, and is behind for it; see [Hot].
	Hot bool `json:"hot,omitempty"`
}

// Settling is a partition that is made ready.
type Settling struct {
	Partition int32     `json:"partition"`
	Node      string    `json:"node"`
	Since     time.Time `json:"since"`
}

// InFlight is what was declared to Kafka and is not confirmed.
type InFlight struct {
	// Intents are batches.
	Intents int `json:"intents"`
	// Since is since when none of a lane's was stored, of the lane that has waited
	// for the longest; zero if nothing is in flight.
	Since time.Time `json:"since,omitzero"`
}

// Lane is a share of a node's partitions.
type Lane struct {
	Node string `json:"node"`
	Lane int    `json:"lane"`
	// PausedSince is when its queue became full, so that Kafka keeps the rest; zero
	// while it takes records.
	PausedSince time.Time `json:"paused_since,omitzero"`
}

// Breaker is an open circuit breaker.
type Breaker struct {
	Node  string    `json:"node"`
	Since time.Time `json:"since"`
}

// Cause is the kind of a failure, as far as it decides what to do.
type Cause string

// The causes.
const (
	CauseAway     Cause = "away"     // nobody answers
	CauseReadOnly Cause = "readonly" // a replica or server takes no writes
	CauseDisk     Cause = "disk"     // no space is left
	CauseParts    Cause = "parts"    // too many parts: merges do not keep up
	CauseMemory   Cause = "memory"   // the server is short of memory
	CauseAccess   Cause = "access"   // password, grant or quota
	CauseOffset   Cause = "offset"   // Kafka does not have the offset any more
	CauseOther    Cause = "other"
)

// Failing is a row of failures without a success between them.
type Failing struct {
	Node string `json:"node"`
	// What is the work: insert, commit, settle, read, dead-letter, check, registry.
	What  string    `json:"what"`
	Since time.Time `json:"since"`
	Last  time.Time `json:"last"`
	Times int       `json:"times"`
	Cause Cause     `json:"cause"`
	// Error is the last one.
	Error string `json:"error"`
}

// Rejects are records that cannot be stored and went to the dead-letter topic.
type Rejects struct {
	Topic string `json:"topic"`
	// Total is since the nodes began.
	Total int64 `json:"total"`
	// High: of some node's records more are rejected than rejects.share allows. It was
	// told so first at HighSince, zero while it is not.
	High      bool      `json:"high"`
	HighSince time.Time `json:"high_since,omitzero"`
	// Records are those of the batches that were sealed within the last minute, and
	// Rejected those of them that are rejected.
	Records  int64 `json:"minute_records"`
	Rejected int64 `json:"minute_rejected"`
	// Reasons are by their number, most first.
	Reasons []RejectReason `json:"reasons"`
	// Samples are the newest, newest first; of a node at most [SamplesPerReason] each.
	Samples []RejectSample `json:"samples"`
}

// Share is how many of the last minute's records are rejected; false if there were none.
func (r Rejects) Share() (float64, bool) {
	return float64(r.Rejected) / float64(max(1, r.Records)), r.Records > 0
}

// Partitions is of how many the samples are.
func (r Rejects) Partitions() int {
	ids := map[int32]bool{}
	for _, s := range r.Samples {
		ids[s.Partition] = true
	}
	return len(ids)
}

// RejectReason is how many were rejected for a reason since the nodes began.
type RejectReason struct {
	Reason string `json:"reason"`
	Total  int64  `json:"total"`
}

// SamplesPerReason bounds the rejects that are kept as samples.
const SamplesPerReason = 4

// RejectSample is one rejected record.
type RejectSample struct {
	At        time.Time `json:"at"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Reason    string    `json:"reason"`
	// Detail is what is wrong with it. A device wrote part of it: control
	// characters are shown as such, and it is at most [MaxDetail] bytes.
	Detail string `json:"detail"`
}

// MaxDetail bounds a sample's detail, in bytes.
const MaxDetail = 300
