package sizing

// formula is how a quantity is computed. A name in its text is an input, a figure,
// a price, or a quantity above it.
type formula struct {
	name string
	unit unit
	what string
	text string
}

// group is the formulas of one subject.
type group struct {
	title    string
	formulas []formula
}

var groups = []group{
	{"Load", []formula{
		{"peak", perSecond, "events in the busiest moment", "rate * peak_factor"},
		{"events_day", plain, "events a day", "rate * 86400"},
		{"wider", plain, "an event, of those that were measured", "size / json_bytes"},
		{"backlog", plain, "events that an outage at the peak leaves", "peak * outage"},
		{"recovery", perSecond, "what has to be stored to catch up in time", "peak + backlog / drain"},
	}},
	{"Costs, from measurements", []formula{
		{"held", plain, "CPU that was used at the highest rate that was held, of all there was", "fast_rate * fast_us / 1000000 / drain_cores"},
		{"efficiency", plain, "CPU that is used while all work as fast as they can: they wait for one another", "drain_rate * drain_us / 1000000 / drain_cores"},
		{"lane_cores", cores, "a lane, for being there", "(node_us_slow - node_us_fast) / (1 / slow_rate - 1 / fast_rate) / 1000000"},
		{"node_us", micros, "a node, an event more", "(node_us_fast - lane_cores * 1000000 / fast_rate) * node_cpu_json / node_cpu * wider"},
		{"insert_cpu", cpuSeconds, "ClickHouse, an insert more, whatever its size", "(engine_us_small - engine_us_large) / (1 / small_rows - 1 / large_rows) / 1000000"},
		{"merged_more", plain, "merges of a row beyond those measured, since the day is longer", "merges_tenfold * log10(max(1, min(events_day, largest_part / (stored_bytes * wider)) / engine_rows))"},
		{"engine_us", micros, "ClickHouse, an event more", "(engine_us_large - insert_cpu * 1000000 / large_rows + merged_more * merge_us) * wider"},
	}},
	{"Kafka", []formula{
		{"wire_bytes", bytesUnit, "an event in a topic", "wire * wider"},
		{"partitions", plain, "partitions: none gets more than was measured; many divisors, so that nodes have equally many", "divisible(peak / (fast_rate / bench_partitions))"},
		{"kafka_in", bytesPerSecond, "what producers send at the peak", "peak * wire_bytes"},
		{"kafka_out", bytesPerSecond, "what brokers send: replicas, and nodes that catch up", "peak * wire_bytes * (kafka_replicas - 1) + recovery * wire_bytes"},
		{"kafka_cores", cores, "cores of all brokers; each replica as one that is read", "peak * kafka_us / 1000000 * kafka_replicas / headroom"},
		{"kafka_disk", bytesUnit, "disks of all brokers", "events_day * kafka_days * wire_bytes * kafka_replicas / disk_fill"},
		{"brokers", plain, "brokers: for replicas, disks, and cores and network with one away", "max(kafka_replicas, ceil(kafka_disk / broker_disk), ceil(kafka_cores / broker_cores) + 1, ceil(kafka_out / (network * headroom)) + 1)"},
	}},
	{"Ingest", []formula{
		{"lanes_node", plain, "lanes of a node, as they come", "ceil(node_cores / 2)"},
		{"node_planned", perSecond, "a node, as planned at the peak", "(node_cores * headroom - lanes_node * lane_cores) / node_us * 1000000"},
		{"node_most", perSecond, "a node, at most", "(node_cores * efficiency - lanes_node * lane_cores) / node_us * 1000000"},
		{"nodes_peak", plain, "nodes for the peak", "ceil(peak / node_planned)"},
		{"nodes_lost", plain, "nodes for the peak, one of them away", "ceil(peak / node_most) + 1"},
		{"nodes_recovery", plain, "nodes to catch up", "ceil(recovery / node_most)"},
		{"nodes", plain, "nodes: a divisor of the partitions", "divisor(max(2, nodes_peak, nodes_lost, nodes_recovery), partitions)"},
		{"nodes_seen", plain, "nodes, if none may store more than one was seen to, beside all else on two cores", "divisor(min(ceil(recovery / drain_rate), partitions), partitions)"},
		{"nodes_min", plain, "least for the scaler (scaling.min): of two, one that dies is more than headroom covers", "min(nodes, 3)"},
		{"lanes", plain, "lanes of all nodes", "nodes * lanes_node"},
		{"blocks", plain, "blocks of the window of identities: two generations of an hour", "2 * (devices + peak * dedup_window / block_events)"},
		{"blocks_lane", plain, "of a lane, one node away (dedup.blocks)", "ceil(blocks / ((nodes - 1) * lanes_node))"},
		{"node_ram", bytesUnit, "memory of a node (memory); a quarter is for the collector", "node_cores * node_memory + blocks_lane * lanes_node * block_bytes / 0.75"},
		{"node_in", bytesPerSecond, "network of a node from Kafka while it catches up", "recovery * wire_bytes / nodes"},
		{"node_out", bytesPerSecond, "network of a node to ClickHouse meanwhile", "recovery * native_bytes * wider / nodes"},
	}},
	{"ClickHouse", []formula{
		{"server_use", cores, "cores of a server, but those of analysts", "server_cores * (1 - queries)"},
		{"inserts", perSecond, "inserts on each shard at the peak: every lane has rows for every shard", "lanes / batch_age"},
		{"hot_disk", bytesUnit, "disks of one replica: hot days, today's, and one that moves", "events_day * (hot_days + 2) * stored_bytes * wider / disk_fill"},
		{"shards_disk", plain, "shards for disks", "ceil(hot_disk / server_disk)"},
		{"shards_peak", plain, "shards for the peak", "ceil(peak * engine_us / 1000000 / max(0, server_use * headroom - inserts * insert_cpu))"},
		{"shards_recovery", plain, "shards to catch up, in full batches that are one insert on each", "ceil(recovery * engine_us / 1000000 / max(0, server_use * efficiency - recovery / large_rows * insert_cpu))"},
		{"shards", plain, "shards: a divisor of the partitions, so that each has equally many", "divisor(max(shards_disk, shards_peak, shards_recovery), partitions)"},
		{"servers", plain, "servers", "shards * clickhouse_replicas"},
		{"insert_rows", plain, "rows of an insert at the peak", "peak / shards / inserts"},
		{"parts", perSecond, "new parts on a server at the peak: an insert is one of events and one of the rollup", "2 * inserts"},
		{"engine_most", perSecond, "what ClickHouse can take, in full batches", "server_use * efficiency / (engine_us / 1000000 / shards + insert_cpu / large_rows)"},
		{"nodes_max", plain, "bound for the scaler (scaling.max): more could only wait for ClickHouse", "divisor(min(max(nodes, ceil(engine_most / node_most)), partitions), partitions)"},
		{"server_busy", cores, "cores of a server at the peak, without analysts", "inserts * insert_cpu + peak / shards * engine_us / 1000000"},
		{"server_in", bytesPerSecond, "network of a server while all catch up", "recovery / shards * native_bytes * wider"},
		{"tokens_used", plain, "tokens of a shard while an insert may be under way, of the 10,000 it remembers", "inserts * (2 * insert_timeout + 5)"},
	}},
	{"Compactor", []formula{
		{"move_cores", cores, "cores that move a day within the time", "events_day * wider / move_cpu / move_time"},
		{"days_at_once", plain, "days and tables at once (days_at_once), if each keeps a core busy", "ceil(move_cores / headroom)"},
		{"move_ram", bytesUnit, "memory", "days_at_once * move_memory"},
		{"move_read", bytesPerSecond, "read from ClickHouse meanwhile", "events_day * native_bytes * wider / move_time"},
		{"move_busy", cores, "cores of a server meanwhile", "events_day * wider * move_engine_us / 1000000 / move_time / shards"},
	}},
	{"S3", []formula{
		{"cold_day", bytesUnit, "a day", "events_day * parquet_bytes * wider"},
		{"cold_all", bytesUnit, "all days", "cold_day * cold_days"},
		{"objects_day", plain, "files of a day; each shard's last is a short one", "ceil(cold_day / file_bytes) + shards"},
		{"objects_all", plain, "files of all days", "objects_day * cold_days"},
		{"puts_day", plain, "requests a day that write: parts, and the beginning and end of each", "objects_day * (ceil(file_bytes / upload_part) + 2)"},
		{"gets_day", plain, "requests a day that read: each file is verified twice", "objects_day * 2"},
	}},
	{"Between zones", []formula{
		{"zone_day", bytesUnit, "a day: producers, replicas, nodes, inserts", "events_day * min(1, zones - 1) * (wire_bytes * (2 * (zones - 1) / zones + kafka_replicas - 1) + native_bytes * wider * (zones - 1) / zones + stored_bytes * wider * (clickhouse_replicas - 1))"},
	}},
	{"Cost a month", []formula{
		{"cost_nodes", usd, "ingest", "730 * nodes * (node_cores * vcpu_hour + node_ram / 1073741824 * gib_hour)"},
		{"cost_brokers", usd, "Kafka, machines", "730 * brokers * broker_cores * (vcpu_hour + core_memory * gib_hour)"},
		{"cost_broker_disks", usd, "Kafka, disks", "kafka_disk / 1000000000 * disk_month"},
		{"cost_servers", usd, "ClickHouse, machines", "730 * servers * server_cores * (vcpu_hour + core_memory * gib_hour)"},
		{"cost_server_disks", usd, "ClickHouse, disks", "hot_disk * clickhouse_replicas / 1000000000 * disk_month"},
		{"cost_compactor", usd, "compactor", "730 * (days_at_once * vcpu_hour + move_ram / 1073741824 * gib_hour)"},
		{"cost_objects", usd, "S3, bytes", "cold_all / 1000000000 * object_month"},
		{"cost_requests", usd, "S3, requests", "30.4 * (puts_day * put + gets_day * get)"},
		{"cost_zones", usd, "between zones", "30.4 * zone_day / 1000000000 * zone_gb"},
		{"cost", usd, "all of it", "cost_nodes + cost_brokers + cost_broker_disks + cost_servers + cost_server_disks + cost_compactor + cost_objects + cost_requests + cost_zones"},
		{"cost_billion", usd, "a billion events", "cost / (30.4 * events_day) * 1000000000"},
	}},
}
