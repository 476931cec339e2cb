package ops

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/tiering"
)

// Table is what is known of one of a compactor's tables, and says its name
// wherever it is told: in the label table of its metrics, in each line of its log.
type Table struct {
	Log     *slog.Logger
	metrics Metrics
}

// NewTable returns a table whose metrics are registered with the label.
func NewTable(name string, reg prometheus.Registerer, log *slog.Logger) Table {
	return Table{Log: log.With("table", name), metrics: Metrics{reg: prometheus.WrapRegistererWith(prometheus.Labels{"table": name}, reg)}}
}

// TieringEvents registers the table's metrics and returns the hooks by which all
// of it is known.
func (t Table) TieringEvents() tiering.Events {
	return TeeTiering(t.metrics.TieringEvents(), LogTiering(t.Log))
}
