package ops

import (
	"log/slog"

	"penstock/transport"
)

// LogReloads writes down what becomes of certificates and keys that are replaced
// while the program runs.
func LogReloads(log *slog.Logger) {
	transport.Notify(func(r transport.Reload) {
		attrs := []any{"files", r.Files}
		if !r.Expires.IsZero() {
			attrs = append(attrs, "ours_expires", r.Expires)
		}
		if r.Err != nil {
			log.Error("certificates cannot be used as they are, those before are", append(attrs, "error", r.Err)...)
			return
		}
		log.Info("certificates were replaced; new connections use them", attrs...)
	})
}
