package state

import "time"

// State is what there is to be known at one moment, of one program or of all
// that were asked.
type State struct {
	// At is when it was made, by the clock of the program that answers.
	At time.Time `json:"at"`
	// Findings are what [Diagnose] says of it, the worst first.
	Findings []Finding `json:"findings"`
	// Headline is what is to be said in one sentence.
	Headline Headline `json:"headline"`
	// Programs are those of which something is in here, by name.
	Programs []Program `json:"programs"`
	// Peers are the programs that were to be asked, and whether they answered.
	Peers []Peer `json:"peers,omitempty"`
	// Streams are what ingest nodes do, by name.
	Streams []Stream `json:"streams,omitempty"`
	// Tables are what compactors do, by name.
	Tables []Table `json:"tables,omitempty"`
	// What is seen from outside of the nodes, by `ingest watch`: by stream, or of
	// all ClickHouse servers.
	Canary     []Canary     `json:"canary,omitempty"`
	Kafka      []Kafka      `json:"kafka,omitempty"`
	ClickHouse []ClickHouse `json:"clickhouse,omitempty"`
	Days       []Days       `json:"days,omitempty"`
}

// Program is a process that answers.
type Program struct {
	// Name is host:port at which it is asked, or what it calls itself.
	Name string `json:"name"`
	// Kind is what it does: ingest, compactor, watch.
	Kind    string `json:"kind"`
	Version string `json:"version"`
	// Started is when the process began.
	Started time.Time `json:"started,omitzero"`
	// Draining: it was asked to give up its work, and stays so until it is stopped.
	Draining bool `json:"draining,omitempty"`
	// Problems are what keeps it from being ready; empty if it is.
	Problems []string `json:"problems,omitempty"`
	// Memory is what the process has of the machine, and its budget.
	Memory Memory `json:"memory"`
	CPU    CPU    `json:"cpu"`
	// Settings are the essentials of its config, none of which is secret.
	Settings []Setting `json:"settings,omitempty"`
}

// Memory is in bytes.
type Memory struct {
	Used int64 `json:"used_bytes"`
	// Budget is the configured bound; 0 for none.
	Budget int64 `json:"budget_bytes"`
}

// CPU is in cores.
type CPU struct {
	// Used is what the process took of late: seconds of CPU time a second.
	Used float64 `json:"used_cores"`
	// Cores are how many it may use.
	Cores float64 `json:"cores"`
}

// Setting is a key of the config and its value, as it is in force.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Peer is a program that is to be asked for its state.
type Peer struct {
	// Name is host:port, of one address.
	Name string `json:"name"`
	// Since is when it last stopped answering, or first did not; zero while it
	// answers.
	Since time.Time `json:"away_since,omitzero"`
	// Error is why it does not answer; empty while it does.
	Error string `json:"error,omitempty"`
	// Kind is what it was when it answered last; empty if it never did.
	Kind string `json:"kind,omitempty"`
	// Program is what it called itself then.
	Program string `json:"program,omitempty"`
}

// Away reports whether the peer does not answer.
func (p Peer) Away() bool { return !p.Since.IsZero() }

// Level says how much somebody is needed.
type Level string

// The levels, worst first.
const (
	Bad  Level = "bad"  // what is promised is not kept; somebody has to act now
	Warn Level = "warn" // it may not be kept for long, or something has to be looked at
	Note Level = "note" // worth knowing; nobody has to act
	Good Level = "good" // of a headline only
)

// Headline is one sentence.
type Headline struct {
	Level Level  `json:"level"`
	Text  string `json:"text"`
}

// Finding is something that is not as it should be: what, why, and what to do.
type Finding struct {
	// ID is the kind of finding, for machines.
	ID    string `json:"id"`
	Level Level  `json:"level"`
	// Of is the stream, table, node or day it is about; empty for all.
	Of string `json:"of,omitempty"`
	// What is a sentence without its full stop, with numbers.
	What string `json:"what"`
	// Why is the evidence for it.
	Why string `json:"why"`
	// Do is what to do first.
	Do string `json:"do"`
	// Runbook is the id of the runbook, served at /runbooks/ID; empty for none.
	Runbook string `json:"runbook,omitempty"`
}
