package state

import "time"

// Canary is how soon an event is seen that `ingest watch` sends itself.
type Canary struct {
	Stream string `json:"stream"`
	// P50 and P99 are from sending to being seen in ClickHouse, over the last minute;
	// absent if none was seen.
	P50 *float64 `json:"p50_seconds,omitempty"`
	P99 *float64 `json:"p99_seconds,omitempty"`
	// Sent and Lost are counts since the watcher began; a lost one was not seen
	// within Limit.
	Sent  int64   `json:"sent"`
	Lost  int64   `json:"lost"`
	Limit float64 `json:"limit_seconds"`
	// Waiting is the age of the oldest that was sent and neither seen nor lost.
	Waiting float64   `json:"waiting_seconds"`
	Seen    time.Time `json:"last_seen,omitzero"`
	// Error is why one could not be sent or asked for last; empty if it could.
	Error string `json:"error,omitempty"`
	// History is as that of a [Stream], of canaries.
	History []CanarySample `json:"history,omitempty"`
}

// CanarySample is of [SampleEvery].
type CanarySample struct {
	At  time.Time `json:"at"`
	P50 *float64  `json:"p50_seconds,omitempty"`
	P99 *float64  `json:"p99_seconds,omitempty"`
	// Lost are those that were given up within it.
	Lost int `json:"lost,omitempty"`
}

// Kafka is a consumer group as Kafka has it, also while no node lives.
type Kafka struct {
	Stream string `json:"stream"`
	// Up: Kafka answered. Since is when that last changed, Error why not.
	Up      bool      `json:"up"`
	Since   time.Time `json:"since,omitzero"`
	Error   string    `json:"error,omitempty"`
	Members int       `json:"members"`
	// Records and Seconds are the lag: all records between committed and end
	// offsets, and the age of the oldest of them.
	Records    int64            `json:"lag_records"`
	Seconds    float64          `json:"lag_seconds"`
	Partitions []KafkaPartition `json:"partitions,omitempty"`
	// Arriving is records a second, of all partitions.
	Arriving float64 `json:"arriving"`
}

// KafkaPartition is one of a group's partitions.
type KafkaPartition struct {
	ID      int32   `json:"partition"`
	Lag     int64   `json:"lag_records"`
	Seconds float64 `json:"lag_seconds"`
	// Intents are batches that were declared and not confirmed, and OldestIntent
	// the age of the oldest, in seconds.
	Intents      int     `json:"intents,omitempty"`
	OldestIntent float64 `json:"oldest_intent_seconds,omitempty"`
	// Retention is in how many seconds Kafka will delete the next record to be stored,
	// while it deletes as it does now: how much older the oldest that it keeps is.
	// Absent until it has deleted any.
	Retention *float64 `json:"retention_seconds,omitempty"`
	// Gone are records that Kafka has deleted and that were not stored: the committed
	// offset is out of range, and no node reads on by itself.
	Gone int64 `json:"gone_records,omitempty"`
}

// Soonest is the partition of which Kafka deletes the next record to be stored first;
// none while Kafka does not answer, since what is left then runs out unseen.
func (k Kafka) Soonest() (first KafkaPartition, ok bool) {
	if !k.Up {
		return first, false
	}
	for _, p := range k.Partitions {
		if p.Retention != nil && (!ok || *p.Retention < *first.Retention) {
			first, ok = p, true
		}
	}
	return first, ok
}

// ClickHouse is one server, as it describes itself.
type ClickHouse struct {
	Name string `json:"name"` // host:port
	// Up: it answered. Since is when that last changed, Error why not.
	Up      bool         `json:"up"`
	Since   time.Time    `json:"since,omitzero"`
	Error   string       `json:"error,omitempty"`
	Version string       `json:"version,omitempty"`
	Parts   []TableParts `json:"parts,omitempty"`
	Disks   []Disk       `json:"disks,omitempty"`
	// ReadOnly are replicas that take no writes.
	ReadOnly int `json:"readonly_replicas"`
}

// TableParts is how many parts a table has.
type TableParts struct {
	Table string `json:"table"`
	Parts int    `json:"parts"`
	// Most is that of the partition that has most; ClickHouse slows inserts into one
	// down beyond Delay, and refuses them beyond Throw.
	Most  int `json:"partition_max"`
	Delay int `json:"delay_limit"`
	Throw int `json:"throw_limit"`
}

// Disk is in bytes.
type Disk struct {
	Name  string `json:"name"`
	Free  int64  `json:"free_bytes"`
	Total int64  `json:"total_bytes"`
}

// Days are a table's days by state, as ClickHouse and the view have them.
type Days struct {
	Table  string `json:"table"`
	Hot    int    `json:"hot"`
	Sealed int    `json:"sealed"`
	Cold   int    `json:"cold"`
	// Oldest is the oldest day that is hot or sealed, as 2026-10-01, and Seconds how
	// long ago it ended; Due is what Seconds may be at most.
	Oldest  string  `json:"oldest_untiered,omitempty"`
	Seconds float64 `json:"oldest_untiered_seconds,omitempty"`
	Due     float64 `json:"due_seconds,omitempty"`
}
