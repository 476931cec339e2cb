package dashboards

// node is what ingest nodes do, hop by hop.
func node() Dashboard {
	b := begin("node", "Ingest nodes", "What nodes do with a record from Kafka to the acknowledged insert, and what they take for it.", job, instance, stream)

	b.row("From Kafka to ClickHouse, against the budget of five seconds")
	b.graph(show{title: "Hops, p99", unit: "s", runbook: "canary-late",
		good:    "Time in each hop: kafka (in the topic until it was polled), queue (until it is decoded), fill (until its batch is sealed), declare (until Kafka has the intent), insert. Good is below the hop's budget, beside this.",
		queries: one("{{hop}}", quantile(0.99, "penstock_ingest_hop_duration_seconds", ofNode, "hop"))})
	b.graph(show{title: "Budget used by the average record", unit: "percentunit", bad: 1, runbook: "canary-late",
		good:    "Mean time in a hop over the hop's budget. Good is below 1 for each.",
		queries: one("{{hop}}", "("+mean("penstock_ingest_hop_duration_seconds", ofNode, "hop")+") / on (hop) max by (hop) (penstock_ingest_hop_budget_seconds{"+ofNode+"})")})
	b.graph(show{title: "Age of what is stored", unit: "s", bad: 5, runbook: "canary-late",
		good: "Age of a batch's oldest record, by Kafka's timestamp, when its insert was acknowledged. Good is below five seconds; of a backlog it is the backlog's age.",
		queries: []query{
			{"p50", quantile(0.5, "penstock_ingest_stored_age_seconds", ofNode, "")},
			{"p99", quantile(0.99, "penstock_ingest_stored_age_seconds", ofNode, "")}}})

	b.row("Batches")
	b.graph(show{title: "Batches sealed, by cause", unit: "ops", stacked: true, runbook: "freshness-worse-parts-grow",
		good:    "Batches a second, by the bound they reached. Good is age while live, rows or bytes while a backlog is worked off; many by revoke are rebalances.",
		queries: one("{{cause}}", "sum by (cause) (rate(penstock_ingest_batch_rows_count{"+ofNode+"}[$__rate_interval])) or histogram_count(sum by (cause) (rate(penstock_ingest_batch_rows{"+ofNode+"}[$__rate_interval])))")})
	b.graph(show{title: "Rows of a batch", unit: "short", runbook: "freshness-worse-parts-grow",
		good:    "Rows of the average batch. Good is thousands: an insert costs ClickHouse the same whatever its size.",
		queries: one("{{cause}}", mean("penstock_ingest_batch_rows", ofNode, "cause"))})
	b.graph(show{title: "In flight and waiting", unit: "short", runbook: "lag-grows-cpu-low",
		good: "Batches declared and not confirmed, and lanes whose queue is full. Good is a few in flight, and no lane full while there is no backlog.",
		queries: []query{
			{"in flight {{instance}}", "sum by (instance) (penstock_ingest_in_flight_intents{" + ofNode + "})"},
			{"full lanes {{instance}}", "sum by (instance) (penstock_ingest_paused_lanes{" + ofNode + "})"}}})

	b.row("Records")
	b.graph(show{title: "What became of records", unit: "ops", stacked: true, runbook: "dlq-fills",
		good: "Rows stored, resends dropped, records rejected, a second. Good is mostly rows.",
		queries: []query{
			{"stored", rate("penstock_ingest_stored_rows_total", ofNode, "")},
			{"resent", rate("penstock_ingest_duplicate_records_total", ofNode, "")},
			{"rejected", rate("penstock_ingest_rejected_records_total", ofNode, "")}}})
	b.graph(show{title: "Rejects, by reason", unit: "ops", runbook: "dlq-fills",
		good:    "Records a second that went to the dead-letter topic. Good is what broken devices always send; a step is a firmware or a schema.",
		queries: one("{{reason}}", rate("penstock_ingest_rejected_records_total", ofNode, "reason"))})
	b.graph(show{title: "Lateness of events", unit: "s", runbook: "freshness-worse-parts-grow",
		good: "How long after the device took it an event came to Kafka. Good is the fleet's habit; old days make an insert each.",
		queries: []query{
			{"p50", quantile(0.5, "penstock_ingest_event_lateness_seconds", ofNode, "")},
			{"p99", quantile(0.99, "penstock_ingest_event_lateness_seconds", ofNode, "")}}})

	b.row("Faults")
	b.graph(show{title: "Attempts that failed", unit: "ops", runbook: "lag-grows-cpu-low",
		good:    "A second, by what was tried. Good is 0.",
		queries: one("{{what}} {{instance}}", rate("penstock_ingest_retries_total", ofNode, "what, instance"))})
	b.graph(show{title: "Breaker open, settling, drained", unit: "short", bad: 1, runbook: "stuck-intent",
		good: "Whether inserts are held back, how many partitions are being settled, whether the node was drained. Good is 0, but for a moment after a rebalance.",
		queries: []query{
			{"breaker {{instance}}", "max by (instance) (penstock_ingest_breaker_open{" + ofNode + "})"},
			{"settling {{instance}}", "sum by (instance) (penstock_ingest_settling_partitions{" + ofNode + "})"},
			{"drained {{instance}}", `penstock_ingest_draining{job=~"$job",instance=~"$instance"}`}}})
	b.graph(show{title: "Rebalances and doubts", unit: "short", runbook: "rebalances-often",
		good: "Partitions that were taken away within an hour, and times a node could not know what was its own. Good is 0 but for deploys and scaling.",
		queries: []query{
			{"{{event}}", `sum by (event) (increase(penstock_ingest_rebalanced_partitions_total{` + ofNode + `,event=~"revoked|lost"}[1h]))`},
			{"doubts", "sum (increase(penstock_ingest_doubts_total{" + ofNode + "}[1h]))"}}})

	b.row("What it takes")
	ofProcess := `job=~"$job",instance=~"$instance"`
	b.graph(show{title: "Memory", unit: "bytes", runbook: "node-memory",
		good: "What each node holds, and its budget. Good is below the budget.",
		queries: []query{
			{"{{instance}}", "process_resident_memory_bytes{" + ofProcess + "}"},
			{"budget {{instance}}", "sum by (instance) (penstock_ingest_memory_budget_bytes{" + ofNode + "})"}}})
	b.graph(show{title: "CPU, of its cores", unit: "percentunit", bad: 0.9, runbook: "lag-grows-cpu-high",
		good: "Share of its cores that a node uses, and of that the garbage collector's. Good is below 70 %, and the collector's below 10 %.",
		queries: []query{
			{"{{instance}}", "instance:penstock_node_cpu:ratio{" + ofProcess + "}"},
			{"collector {{instance}}", "rate(go_cpu_classes_gc_total_cpu_seconds_total{" + ofProcess + "}[$__rate_interval]) / go_sched_gomaxprocs_threads{" + ofProcess + "}"}}})
	b.graph(show{title: "Identities forgotten early", unit: "short", bad: 1, runbook: "node-memory",
		good:    "Times a lane forgot half of its window for want of room, within an hour. Good is 0.",
		queries: one("{{instance}}", "sum by (instance) (increase(penstock_ingest_dedup_shrunk_total{"+ofNode+"}[1h]))")})

	b.row("Partitions")
	b.graph(show{title: "Lag of partitions", unit: "s", runbook: "hot-partition",
		good:    "Age of each partition's oldest record that is not stored, of the ten worst. Good is that they lie together; one above the others is hot.",
		queries: one("{{partition}} {{stream}}", "topk(10, penstock_watch_lag_seconds{"+ofStream+"})")})
	b.graph(show{title: "Oldest intent of partitions", unit: "s", bad: 300, runbook: "stuck-intent",
		good:    "Since when the oldest batch was declared that is not confirmed, of the ten worst partitions. Good is a second or two.",
		queries: one("{{partition}} {{stream}}", "topk(10, penstock_watch_oldest_intent_seconds{"+ofStream+"})")})
	b.graph(show{title: "Caught up in", unit: "s", runbook: "lag-grows-cpu-high",
		good:    "When a node's backlog will be gone at this rate; absent while it does not shrink. Good is 0.",
		queries: one("{{instance}} {{stream}}", "penstock_ingest_catch_up_seconds{"+ofNode+"}")})
	return b.made
}
