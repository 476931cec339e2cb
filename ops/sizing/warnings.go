package sizing

import (
	"fmt"
	"math"
)

// warnings say where the plan leaves the range in which its figures were measured,
// and where something does not fit.
func (p *Plan) warnings() []string {
	out := []string{"Nothing was measured on a cluster: one broker, one ClickHouse without replicas and one node shared two cores. " +
		"What a network adds, and what replicas cost, is assumed."}
	v, in := p.Value, p.Input
	warn := func(when bool, format string, args ...any) {
		if when {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	warn(in.NodeCores > v("drain_cores"), "A node has %s cores; it was measured with %s.", Number(in.NodeCores), Number(v("drain_cores")))
	warn(in.ServerCores > v("drain_cores"), "A ClickHouse server has %s cores; it was measured with %s.", Number(in.ServerCores), Number(v("drain_cores")))
	each := v("recovery") / v("nodes")
	warn(each > v("drain_rate"), "A node is to store %s a second while it catches up; the most that one was seen to store is %s, beside Kafka and ClickHouse on two cores. "+
		"CPU time allows it; try one on its own machine before you rely on it, or begin with %s nodes (nodes_seen).", Number(math.Round(each)), Number(v("drain_rate")), Number(v("nodes_seen")))
	warn(in.Size > 1.25*v("json_bytes") || in.Size < v("json_bytes")/1.25, "Events of %s bytes were not measured, those of %s were; all is taken to grow with the size, "+
		"and some of it grows with the number of fields.", Number(in.Size), Number(v("json_bytes")))
	warn(in.Encoding != "json", "What Kafka and ClickHouse take was measured with JSON; %s is taken to cost them the same an event.", in.Encoding)
	warn(v("inserts") > v("inserts_seen"), "A shard gets %s inserts a second; the most that was measured is %s. Nodes let batches wait longer by themselves when inserts take long (batch.age_limit); "+
		"--batch-age, or fewer and larger nodes, make it fewer.", short(v("inserts")), Number(v("inserts_seen")))
	least, most := v("slow_rate")*0.2, v("large_rows")
	warn(v("insert_rows") < least || v("insert_rows") > most, "An insert has %s rows; %s to %s were measured.", Number(math.Round(v("insert_rows"))), Number(least), Number(most))
	warn(v("tokens_used") > v("tokens")/2, "A shard gets %s inserts while one may be under way and remembers %s: exactly once is at risk. Raise --batch-age or take fewer lanes.",
		Number(math.Round(v("tokens_used"))), Number(v("tokens")))
	warn(in.Headroom > v("held"), "Headroom is %v; nothing was held for long above %s of all cores.", in.Headroom, short(v("held")))
	for _, of := range []struct {
		who   string
		bytes float64
	}{{"a node reads", v("node_in")}, {"a node writes", v("node_out")}, {"a server is sent", v("server_in")}, {"a broker sends", v("kafka_out") / v("brokers")}} {
		warn(of.bytes > in.Network*in.Headroom, "While it catches up %s %s, and its network has %s.", of.who, bytesPerSecond.format(of.bytes), bytesPerSecond.format(in.Network))
	}
	warn(v("server_busy")+v("move_busy") > v("server_use"), "While a day moves a server needs %s cores, and has %s beside analysts: raise --move-time or --server-cores.",
		short(v("server_busy")+v("move_busy")), short(v("server_use")))
	warn(in.Outage.Hours() > 24*in.KafkaDays/2, "An outage of %v is more than half of what Kafka keeps; records would be lost in one that is twice as long.", in.Outage)
	return out
}
