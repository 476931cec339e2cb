package ops

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// Stream is what is known of one of a node's streams, and says its name
// wherever it is told: in the label stream of its metrics, in each line of its
// log, on the pages of the admin server.
type Stream struct {
	Name   string
	Health *Health
	Lag    *Lag
	// Metrics is where its metrics are registered, with the label.
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// NewStream returns a stream that has no partition yet.
func NewStream(name string, cfg Config, reg prometheus.Registerer, log *slog.Logger) Stream {
	log = log.With("stream", name)
	return Stream{
		Name: name, Log: log, Health: NewHealth(cfg), Lag: NewLag(log),
		Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"stream": name}, reg),
	}
}

// PipelineEvents registers the stream's metrics and returns the hooks by which
// all of it is known.
func (s Stream) PipelineEvents(cfg pipeline.Config) pipeline.Events {
	metrics := Metrics{reg: s.Metrics}
	return Tee(s.Lag.PipelineEvents(), metrics.PipelineEvents(cfg, s.Lag), s.Health.PipelineEvents(), LogPipeline(s.Log))
}

// Streams are those of one node.
type Streams []Stream

// Problems returns what keeps the node from being ready: whatever keeps any of
// its streams from it, with the stream's name.
func (s Streams) Problems() (all []string) {
	for _, one := range s {
		for _, problem := range one.Health.Problems() {
			all = append(all, fmt.Sprintf("stream %s: %s", one.Name, problem))
		}
	}
	return all
}

// ServeHTTP answers with the page /lag.
func (s Streams) ServeHTTP(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }

// String is the page /lag: that of each stream under its name.
func (s Streams) String() string {
	var page strings.Builder
	for i, one := range s {
		if i > 0 {
			page.WriteString("\n")
		}
		fmt.Fprintf(&page, "stream %s\n\n%s", one.Name, one.Lag)
	}
	return page.String()
}
