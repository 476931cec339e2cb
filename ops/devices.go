package ops

import (
	"context"
	"log/slog"
	"time"

	"penstock/pipeline"
	"penstock/pipeline/enrich"
)

// newDevices registers the metrics of what is known of devices, and returns the
// hooks that move them.
func newDevices(f family) pipeline.Events {
	var (
		known    = f.gauge("devices", "Devices that are known.")
		bytes    = f.gauge("devices_bytes", "Memory of what is known of them.")
		at       = f.gauge("devices_timestamp_seconds", "When the source of devices was last read, or found unchanged; time() less this is the age of what is known.")
		reloads  = f.counter("devices_reloads_total", "Times another list of devices was taken into use.")
		misfits  = f.counter("devices_misfits_total", "Values of the source that were left out because they do not fit, or are of no device.")
		failures = f.counter("devices_failures_total", "Readings of the source that failed; what was known is used on.")
		unknown  = f.counter("unknown_device_rows_total", "Rows of devices that are not known, stored without attributes.")
	)
	return pipeline.Events{
		DevicesKnown: func(c enrich.Current) {
			known.Set(float64(c.Devices))
			bytes.Set(float64(c.Bytes))
			at.Set(float64(c.At.UnixMilli()) / 1000)
			if c.Changed {
				reloads.Inc()
			}
			misfits.Add(float64(c.Misfits))
		},
		DevicesAway: func(error) { failures.Inc() },
		Sealed:      func(s pipeline.Sealed) { unknown.Add(float64(s.Unknown)) },
	}
}

// logDevices returns hooks that tell the log what is known of devices.
func logDevices(log *slog.Logger, now func() time.Time) pipeline.Events {
	away := newSparse(sparseInterval, sparseBurst, now)
	misfits := newSparse(sparseInterval, sparseBurst, now)
	say := func(level slog.Level, what string, attrs ...slog.Attr) {
		log.LogAttrs(context.Background(), level, what, attrs...)
	}
	return pipeline.Events{
		DevicesKnown: func(c enrich.Current) {
			level := slog.LevelDebug
			if c.Changed {
				level = slog.LevelInfo
			}
			say(level, "devices known", slog.Int("devices", c.Devices), slog.Int("bytes", c.Bytes), slog.Bool("changed", c.Changed), slog.Duration("took", c.Took))
			if c.Misfits == 0 {
				return
			}
			if hidden, ok := misfits.admit(); ok {
				say(slog.LevelWarn, "values of devices are left out, and stay NULL; mend them in the source", hiding(hidden, []slog.Attr{slog.Int("values", c.Misfits), slog.Any("first", c.Misfit)})...)
			}
		},
		DevicesAway: func(err error) {
			if hidden, ok := away.admit(); ok {
				say(slog.LevelWarn, "the source of devices cannot be read; what was known is used on, and it is asked again", hiding(hidden, []slog.Attr{errorAttr(err)})...)
			}
		},
	}
}
