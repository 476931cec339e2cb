package state

import "time"

// Table is a table whose days a compactor moves.
type Table struct {
	Name string `json:"name"`
	// Node is the compactor.
	Node string `json:"node"`
	// Planned is when its days were last looked at; zero if they were not yet.
	Planned time.Time `json:"planned,omitzero"`
	// Days are those that have rows anywhere, oldest first.
	Days []Day `json:"days"`
	// Rates are to S3, over the last half a minute.
	Rates TableRates `json:"rates"`
	Lease Lease      `json:"lease"`
	// Failing is what the last pass failed for, if it did; of days see [Day].Error.
	Failing *Failing `json:"failing,omitempty"`
}

// TableRates are a second.
type TableRates struct {
	// Rows are read of ClickHouse and written to files.
	Rows float64 `json:"rows"`
	// Bytes are those of files that were stored on S3.
	Bytes float64 `json:"bytes"`
}

// Lease is whether this compactor may work.
type Lease struct {
	// Held: it does, or did in its last pass.
	Held bool `json:"held"`
	// Fence is its number when it last held it.
	Fence uint64 `json:"fence,omitempty"`
	// Other is what it was told when another held it; empty if none did.
	Other string `json:"other,omitempty"`
}

// Day is one day of a table.
type Day struct {
	Day string `json:"day"` // as 2026-10-01
	// State is where its rows are, as tiering has it: hot, sealed, published, cut
	// over, cold, retired, loading, restored, released.
	State string `json:"state"`
	// Late: it is cold and has rows in the hot table too, which came later.
	Late bool `json:"late,omitempty"`
	// Rows and bytes: in the hot and the sealed table, and in files on S3.
	HotRows    uint64    `json:"hot_rows"`
	SealedRows uint64    `json:"sealed_rows"`
	ColdRows   uint64    `json:"cold_rows"`
	LocalBytes uint64    `json:"local_bytes"`
	ColdBytes  uint64    `json:"cold_bytes"`
	NextAction string    `json:"next,omitempty"` // what is to be done to it; empty for nothing
	Due        time.Time `json:"due,omitzero"`
	// Doing is what is being done to it.
	Doing *Doing `json:"doing,omitempty"`
	// Error is why the last step of it failed, and Damaged that something is not
	// what its manifest says: it stays as it is until a person has looked.
	Error   string `json:"error,omitempty"`
	Damaged bool   `json:"damaged,omitempty"`
}

// Doing is a step at work.
type Doing struct {
	Action string    `json:"action"`
	Since  time.Time `json:"since"`
	// What is the part of it that is counted: export, verify, load, compare.
	What string `json:"what,omitempty"`
	Rows uint64 `json:"rows"`
	Of   uint64 `json:"of"` // 0 while nothing is counted
	// Waiting is what reading waits for, as ClickHouse is busy with it; empty
	// while it does not wait.
	Waiting string `json:"waiting,omitempty"`
}
