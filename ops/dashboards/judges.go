package dashboards

// scale is how many nodes there should be, and why.
func scale() Dashboard {
	b := begin("scaling", "Scaling", "How many nodes there should be, by what arrives, what is behind and what a node can do.")
	b.row("Decision")
	b.graph(show{title: "Nodes", unit: "short", runbook: "lag-grows-cpu-high",
		good: "How many there should be, how many the moment asks for, how many answer. Good is that the last follows the first within a minute or two.",
		queries: []query{
			{"should be", "penstock_scaling_nodes"},
			{"the moment asks for", "penstock_scaling_wanted_nodes"},
			{"answer", "penstock_scaling_answering_nodes"}}})
	b.graph(show{title: "Held, blind, hot partitions", unit: "short", bad: 1, runbook: "scaler-holds",
		good: "1 while the number stays because ClickHouse is the bottleneck; 1 while nodes do not answer; partitions that no number of nodes helps. Good is 0. The reason is a sentence at /scale.",
		queries: []query{
			{"held", "penstock_scaling_held"},
			{"nodes do not answer", "penstock_scaling_problem"},
			{"hot partitions", "penstock_scaling_hot_partitions"}}})
	b.graph(show{title: "Backlog", unit: "s", runbook: "lag-grows-cpu-high",
		good:    "Age of the oldest record that is not committed. Good is below scaling.drain.",
		queries: one("oldest", "penstock_scaling_lag_seconds")})
	b.row("By what")
	b.graph(show{title: "What comes, what is to be done, what the nodes can", unit: "ops", runbook: "lag-grows-cpu-high",
		good: "Records a second: that arrive; that have to be done for the lag to be gone in scaling.drain; that all nodes that answer can do. Good is the last above the second.",
		queries: []query{
			{"arrive", "penstock_scaling_arriving_records_per_second"},
			{"to be done", "penstock_scaling_demand_records_per_second"},
			{"can be done", "penstock_scaling_capacity_records_per_second * penstock_scaling_answering_nodes"}}})
	b.graph(show{title: "Records behind", unit: "short", runbook: "lag-grows-cpu-high",
		good:    "Records of all partitions that are not committed. Good is about what comes in a second.",
		queries: one("records", "penstock_scaling_lag_records")})
	b.graph(show{title: "CPU of the nodes, of their cores", unit: "percentunit", bad: 0.9, runbook: "lag-grows-cpu-high",
		good:    "Good is near scaling.headroom while there is load: less is paid for nothing, more has no room for a node that dies.",
		queries: one("{{stream}}", "stream:penstock_node_cpu:ratio")})
	return b.made
}

// exactlyOnce is the audit that nodes make of themselves.
func exactlyOnce() Dashboard {
	b := begin("audit", "Exactly once", "What nodes confirmed against what is stored, and what was settled after crashes.", job, instance, stream)
	b.row("Audit")
	b.graph(show{title: "Rows missing or doubled", unit: "short", bad: 1, runbook: "audit-mismatch",
		good: "Rows that were confirmed and are not there, and rows beyond one of an offset, since the node started. Good is 0, always.",
		queries: []query{
			{"missing {{instance}}", "sum by (instance) (penstock_ingest_audit_gap_rows_total{" + ofNode + "})"},
			{"doubled {{instance}}", "sum by (instance) (penstock_ingest_audit_dup_rows_total{" + ofNode + "})"}}})
	b.graph(show{title: "Rows audited", unit: "ops", runbook: "audit-mismatch",
		good: "Rows a second that the receipts were asked for, and that were left out to bound the cost. Good is all that is stored, and none left out.",
		queries: []query{
			{"audited", rate("penstock_ingest_audit_rows_total", ofNode, "")},
			{"left out", rate("penstock_ingest_audit_skipped_rows_total", ofNode, "")}}})
	b.graph(show{title: "Last look, and looks that failed", unit: "s", bad: 1800, runbook: "audit-mismatch",
		good: "Since when no look ended, where anything was looked at, and failures within an hour. Good is a minute, and none.",
		queries: []query{
			{"last look {{instance}}", "time() - (max by (instance) (penstock_ingest_audit_last_timestamp_seconds{" + ofNode + "}) > 0)"},
			{"failed {{instance}}", "sum by (instance) (increase(penstock_ingest_audit_failures_total{" + ofNode + "}[1h]))"}}})
	b.row("Settled")
	b.graph(show{title: "Intents settled", unit: "short", runbook: "stuck-intent",
		good: "Batches within an hour that an earlier owner had declared and not confirmed, and rows sent for them. Good is 0 but for crashes.",
		queries: []query{
			{"intents", "sum(increase(penstock_ingest_settled_intents_total{" + ofNode + "}[1h]))"},
			{"rows", "sum(increase(penstock_ingest_settled_rows_total{" + ofNode + "}[1h]))"}}})
	b.graph(show{title: "Time to settle a partition", unit: "s", runbook: "stuck-intent",
		good: "Time until a partition that a node was given is read. Good is below a second.",
		queries: []query{
			{"p50", quantile(0.5, "penstock_ingest_settle_duration_seconds", ofNode, "")},
			{"p99", quantile(0.99, "penstock_ingest_settle_duration_seconds", ofNode, "")}}})
	b.graph(show{title: "Answers that were lost", unit: "short", runbook: "lag-grows-cpu-low",
		good:    "Inserts within an hour whose answer was lost and whose rows were found stored. Good is 0 but for a network that fails; none of them is stored twice.",
		queries: one("{{stream}}", "sum by (stream) (increase(penstock_ingest_found_inserts_total{"+ofNode+"}[1h]))")})
	b.row("Canaries")
	b.graph(show{title: "Canaries lost", unit: "short", bad: 1, runbook: "canary-lost",
		good: "Canaries within an hour that were not seen within their limit, and those that could not be sent or asked for. Good is 0.",
		queries: []query{
			{"lost {{stream}}", "sum by (stream) (increase(penstock_watch_canary_lost_total{" + ofStream + "}[1h]))"},
			{"{{what}} failed {{stream}}", "sum by (stream, what) (increase(penstock_watch_canary_failures_total{" + ofStream + "}[1h]))"}}})
	b.graph(show{title: "Canaries sent", unit: "ops", runbook: "canary-lost",
		good:    "Canaries a second. Good is one every watch.canary_every.",
		queries: one("{{stream}}", rate("penstock_watch_canary_sent_total", ofStream, "stream"))})
	b.graph(show{title: "Batches that nobody confirmed yet", unit: "short", runbook: "stuck-intent",
		good:    "Batches declared in the commit and not confirmed, as Kafka knows them. Good is a few per partition that is read.",
		queries: one("{{stream}}", "sum by (stream) (penstock_watch_pending_intents{"+ofStream+"})")})
	return b.made
}
