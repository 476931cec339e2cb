package scaling

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers what the watcher knows as penstock_scaling_*.
func (w *Watcher) Register(reg prometheus.Registerer) {
	gauge := func(name, help string, value func(State) float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "penstock_scaling_" + name, Help: help}, func() float64 { return value(w.Last()) }))
	}
	yes := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	gauge("nodes", "How many nodes there should be; 0 while that is not known.", func(s State) float64 { return float64(s.Nodes) })
	gauge("wanted_nodes", "How many the load of the moment asks for, before it has lasted.", func(s State) float64 { return float64(s.Wanted) })
	gauge("answering_nodes", "How many nodes answer.", func(s State) float64 { return float64(s.Now) })
	gauge("held", "1 while the number stays because ClickHouse is the bottleneck.", func(s State) float64 { return yes(s.Held) })
	gauge("problem", "1 while some node does not answer, or none.", func(s State) float64 { return yes(s.Problem != "") })
	gauge("hot_partitions", "Partitions that more nodes do not help.", func(s State) float64 { return float64(len(s.Hot)) })
	gauge("arriving_records_per_second", "What comes to all partitions.", func(s State) float64 { return s.Arriving })
	gauge("demand_records_per_second", "What has to be done for the lag to be gone in scaling.drain.", func(s State) float64 { return s.Demand })
	gauge("capacity_records_per_second", "What a node can do, by what it did for each second of CPU time.", func(s State) float64 { return s.Capacity })
	gauge("lag_records", "Records of all partitions that are not committed.", func(s State) float64 { return float64(s.Lag) })
	gauge("lag_seconds", "Age of the oldest of them.", func(s State) float64 { return s.Behind.Seconds() })
}

// ServeHTTP answers with the [State] as JSON. The status is 503 while it is not
// known how many nodes there should be.
func (w *Watcher) ServeHTTP(answer http.ResponseWriter, _ *http.Request) {
	s := w.Last()
	answer.Header().Set("Content-Type", "application/json")
	if s.Nodes == 0 {
		answer.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(answer)
	e.SetIndent("", "  ")
	_ = e.Encode(s) // who has gone away needs no answer
}
