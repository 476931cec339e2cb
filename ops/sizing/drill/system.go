package drill

import (
	"math"
	"time"

	"penstock/ops/scaling"
	"penstock/ops/sizing"
)

// System is what is played. CPU time is in seconds.
type System struct {
	// Rate is events a second as the mean of the day, Peak how many times that comes
	// at noon, Noise the share by which a second may differ from its hour.
	Rate, Peak, Noise float64
	Partitions        int

	// Nodes are those at midnight.
	Nodes int
	// NodeCores are a node's, Lanes how many it has, LaneCPU what a lane takes each
	// second for being there, NodeCPU what an event takes.
	NodeCores        float64
	Lanes            int
	LaneCPU, NodeCPU float64

	// Shards of ClickHouse, and the cores of each that are not the analysts'.
	// InsertCPU is what an insert takes it, EngineCPU an event.
	Shards               int
	ServerCores          float64
	InsertCPU, EngineCPU float64
	// BatchRows are those of a full batch, BatchAge the seconds a live one waits.
	BatchRows, BatchAge float64

	// Efficiency is the share of its cores a program gets to use while it has more to do
	// than it can.
	Efficiency float64
	// KafkaKeeps is how long.
	KafkaKeeps time.Duration
	Policy     scaling.Policy
}

// FromPlan is the system of a plan, with the scaler's defaults and the plan's bounds.
func FromPlan(p *sizing.Plan) System {
	v, whole := p.Value, func(name string) int { return int(p.Value(name)) }
	policy := scaling.DefaultPolicy()
	policy.Min, policy.Max = whole("nodes_min"), whole("nodes_max")
	policy.Headroom = p.Input.Headroom // its drain stays: nodes are cheap beside what they wait for
	return System{
		Rate: v("rate"), Peak: v("peak_factor"), Noise: 0.05, Partitions: whole("partitions"),
		Nodes: whole("nodes"), NodeCores: v("node_cores"), Lanes: whole("lanes_node"), LaneCPU: v("lane_cores"), NodeCPU: v("node_us") / 1e6,
		Shards: whole("shards"), ServerCores: v("server_use"), InsertCPU: v("insert_cpu"), EngineCPU: v("engine_us") / 1e6,
		BatchRows: v("large_rows"), BatchAge: v("batch_age"), Efficiency: v("efficiency"),
		KafkaKeeps: time.Duration(v("kafka_days") * 24 * float64(time.Hour)), Policy: policy,
	}
}

// arriving is how many events a second come at a time of the day.
func (s System) arriving(at time.Duration) float64 {
	wave := 1 - (s.Peak-1)*math.Cos(2*math.Pi*at.Hours()/24)
	return s.Rate * wave * (1 + s.Noise*math.Sin(at.Seconds()*0.7))
}

// nodesCan is how many events a second so many nodes can do: as many as those with
// a partition more than the others, if any have.
func (s System) nodesCan(nodes int) float64 {
	nodes = min(nodes, s.Partitions)
	if nodes == 0 {
		return 0
	}
	each := (s.NodeCores*s.Efficiency - float64(s.Lanes)*s.LaneCPU) / s.NodeCPU
	most := (s.Partitions + nodes - 1) / nodes
	return max(0, each) * float64(s.Partitions) / float64(most)
}

// engineCan is how many events a second ClickHouse can store in full batches, each of
// which is an insert on every shard.
func (s System) engineCan() float64 {
	return s.ServerCores * s.Efficiency / (s.EngineCPU/float64(s.Shards) + s.InsertCPU/s.BatchRows)
}

// inserts is how many batches a second are stored, of so many events by so many
// nodes.
func (s System) inserts(nodes int, stored float64, behind bool) float64 {
	full := stored / s.BatchRows
	if behind {
		return full
	}
	return max(full, float64(nodes*s.Lanes)/s.BatchAge)
}

// engineUse is the share of ClickHouse's cores that are used.
func (s System) engineUse(stored, inserts float64) float64 {
	return (stored*s.EngineCPU/float64(s.Shards) + inserts*s.InsertCPU) / s.ServerCores
}
