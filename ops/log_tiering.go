package ops

import (
	"context"
	"log/slog"
	"time"

	"penstock/schema"
	"penstock/tiering"
)

// LogTiering returns hooks that write a compactor's steps and files to the log
// at info, and how far it is with one at debug. A step that fails is not
// written: its error ends the pass, and whoever started that reports it.
func LogTiering(log *slog.Logger) tiering.Events {
	say := func(level slog.Level, what string, attrs ...slog.Attr) {
		log.LogAttrs(context.Background(), level, what, attrs...)
	}
	step := func(s tiering.Step, more ...slog.Attr) []slog.Attr {
		return append([]slog.Attr{slog.String("action", string(s.Action)), slog.String("day", s.Day.String()), slog.Int("generation", s.Generation)}, more...)
	}
	far := func(what string) func(schema.Day, uint64, uint64) {
		return func(day schema.Day, rows, of uint64) {
			say(slog.LevelDebug, what, slog.String("day", day.String()), slog.Uint64("rows", rows), slog.Uint64("of", of))
		}
	}
	return tiering.Events{
		Planned: func(steps []tiering.Step) { say(slog.LevelDebug, "days looked at", slog.Int("days", len(steps))) },
		Begun: func(s tiering.Step) {
			say(slog.LevelInfo, "step begun", step(s, slog.Uint64("sealed_rows", s.SealedRows), slog.Uint64("hot_rows", s.HotRows))...)
		},
		Done: func(s tiering.Step, took time.Duration) {
			say(slog.LevelInfo, "step done", step(s, slog.Duration("took", took))...)
		},
		Exporting: far("exporting"),
		FileRead: func(day schema.Day, f tiering.File) {
			say(slog.LevelDebug, "file read", slog.String("day", day.String()), slog.String("path", f.Path), slog.Uint64("rows", f.Rows), slog.Int64("bytes", f.Bytes))
		},
		Verified: far("verifying"),
		Loaded:   far("loading"),
		Compared: far("comparing"),
		FileStored: func(day schema.Day, f tiering.File) {
			say(slog.LevelInfo, "file stored", slog.String("day", day.String()), slog.String("path", f.Path), slog.Uint64("rows", f.Rows), slog.Int64("bytes", f.Bytes))
		},
		Strayed: func(day schema.Day, rows uint64) {
			say(slog.LevelWarn, "rows were sealed by a compactor that had lost the lease; they become the day's next generation", slog.String("day", day.String()), slog.Uint64("rows", rows))
		},
		Yielded: func(day schema.Day, why string) {
			say(slog.LevelInfo, "reading the day waits for ClickHouse", slog.String("day", day.String()), slog.String("why", why))
		},
		LeaseTaken: func(fence uint64) { say(slog.LevelInfo, "lease taken", slog.Uint64("fence", fence)) },
	}
}
