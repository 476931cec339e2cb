package ops

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// LogConfig is how a program writes its log. Start from [DefaultLog].
type LogConfig struct {
	// Level is the least that is written: debug, info, warn or error. At
	// debug there is a line for every poll, batch, insert and commit. The
	// default value is info.
	Level slog.Level `koanf:"level"`
	// Format is text or json. The default value is text: whoever runs a
	// program by hand reads its log, and whoever collects logs sets json.
	Format string `koanf:"format"`
}

// DefaultLog returns the defaults.
func DefaultLog() LogConfig { return LogConfig{Level: slog.LevelInfo, Format: "text"} }

// Validate reports every fault of the config, which is expected in the section
// log.
func (c LogConfig) Validate() error {
	if c.Format != "text" && c.Format != "json" {
		return fmt.Errorf("log.format is %q; want text or json", c.Format)
	}
	return nil
}

// New returns a logger that writes to w. The config must be valid.
func (c LogConfig) New(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// sparse lets through few of many lines of one kind, and counts the others, so
// that a broken fleet or a server that is down does not fill the disk with its
// own log.
type sparse struct {
	now     func() time.Time
	limiter *rate.Limiter

	mu     sync.Mutex // guards hidden
	hidden int        // not let through since the last that was
}

// newSparse lets a burst through at once, and one more every interval.
func newSparse(interval time.Duration, burst int, now func() time.Time) *sparse {
	return &sparse{now: now, limiter: rate.NewLimiter(rate.Every(interval), burst)}
}

// admit reports whether a line may be written now, and how many were not
// before it.
func (s *sparse) admit() (hidden int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.limiter.AllowN(s.now(), 1) {
		s.hidden++
		return 0, false
	}
	hidden, s.hidden = s.hidden, 0
	return hidden, true
}

// settle returns how many lines were hidden and are not told of yet, once a
// line about it may be written.
func (s *sparse) settle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hidden == 0 || !s.limiter.AllowN(s.now(), 1) {
		return 0
	}
	hidden := s.hidden
	s.hidden = 0
	return hidden
}
