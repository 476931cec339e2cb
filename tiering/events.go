package tiering

import (
	"time"

	"penstock/schema"
)

// Events are called as a compactor works; any may be nil. They are called from
// the goroutines that do the work, for several days at once, and must not block.
type Events struct {
	// Planned: what comes next for every day, oldest first, as a pass begins and as it
	// has ended. It must not be kept or changed.
	Planned func([]Step)
	// Begun: a step of a day begins.
	Begun func(Step)
	// Done: it ended well, after this time.
	Done func(Step, time.Duration)
	// Failed: it did not. The pass ends with the same error.
	Failed func(Step, error)
	// Exporting: rows of the day read so far, of this many.
	Exporting func(day schema.Day, rows, of uint64)
	// FileStored: one file of the day is on S3.
	FileStored func(day schema.Day, file File)
	// FileRead: one file of the day is read back from S3, and its bytes are those
	// of the manifest.
	FileRead func(day schema.Day, file File)
	// Verified: rows read back from S3 so far, of this many.
	Verified func(day schema.Day, rows, of uint64)
	// Strayed: rows of the day that another compactor sealed while a generation
	// was open, see [Generation.LastBlock]. The view left them out until now,
	// when that generation is dropped; they become the next one.
	Strayed func(day schema.Day, rows uint64)
	// Loaded: rows of the day's files inserted into ClickHouse so far, of this many.
	Loaded func(day schema.Day, rows, of uint64)
	// Compared: of those, read back from ClickHouse so far.
	Compared func(day schema.Day, rows, of uint64)
	// Yielded: reading the day waits for ClickHouse, which is busy with this.
	Yielded func(day schema.Day, why string)
	// LeaseTaken: this compactor holds the lease, with this fencing number.
	LeaseTaken func(fence uint64)
}

func (e Events) withDefaults() Events {
	if e.Planned == nil {
		e.Planned = func([]Step) {}
	}
	if e.Begun == nil {
		e.Begun = func(Step) {}
	}
	if e.Done == nil {
		e.Done = func(Step, time.Duration) {}
	}
	if e.Failed == nil {
		e.Failed = func(Step, error) {}
	}
	if e.Exporting == nil {
		e.Exporting = func(schema.Day, uint64, uint64) {}
	}
	if e.FileStored == nil {
		e.FileStored = func(schema.Day, File) {}
	}
	if e.FileRead == nil {
		e.FileRead = func(schema.Day, File) {}
	}
	if e.Verified == nil {
		e.Verified = func(schema.Day, uint64, uint64) {}
	}
	if e.Strayed == nil {
		e.Strayed = func(schema.Day, uint64) {}
	}
	if e.Loaded == nil {
		e.Loaded = func(schema.Day, uint64, uint64) {}
	}
	if e.Compared == nil {
		e.Compared = func(schema.Day, uint64, uint64) {}
	}
	if e.Yielded == nil {
		e.Yielded = func(schema.Day, string) {}
	}
	if e.LeaseTaken == nil {
		e.LeaseTaken = func(uint64) {}
	}
	return e
}
