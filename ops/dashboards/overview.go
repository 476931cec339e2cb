package dashboards

// overview is what is looked at first: whether what is promised is kept.
func overview() Dashboard {
	b := begin("overview", "Overview", "Whether what is promised is kept: events queryable within five seconds, each once, days on S3 in time.", stream)

	b.row("What is promised")
	b.stat(show{title: "Queryable within 5 s", unit: "percentunit", runbook: "canary-late",
		good:    "Canaries of the last hour that a query found within five seconds. Good is 99.9 % or more.",
		queries: one("{{stream}}", `1 - stream:penstock_canary_slow:ratio_rate1h{`+ofStream+`}`)})
	b.stat(show{title: "Error budget burnt", unit: "none", warn: 1, bad: 14.4, runbook: "canary-late",
		good:    "How many times as fast as allowed the budget of late canaries is used, over an hour. Good is below 1; at 14.4 somebody is paged.",
		queries: one("{{stream}}", `stream:penstock_canary_slow:ratio_rate1h{`+ofStream+`} / 0.001`)})
	b.stat(show{title: "Rows missing", unit: "short", bad: 1, runbook: "audit-mismatch",
		good:    "Rows that nodes confirmed within a day and the audit did not find. Good is 0, always.",
		queries: one("{{stream}}", `sum by (stream) (max_over_time(penstock_ingest_audit_gap_rows_total{`+ofStream+`}[1d]))`)})
	b.stat(show{title: "Rows doubled", unit: "short", bad: 1, runbook: "audit-mismatch",
		good:    "Rows beyond one of an offset that the audit found within a day. Good is 0, always.",
		queries: one("{{stream}}", `sum by (stream) (max_over_time(penstock_ingest_audit_dup_rows_total{`+ofStream+`}[1d]))`)})
	b.stat(show{title: "Oldest record not stored", unit: "s", warn: 10, bad: 60, runbook: "lag-grows-cpu-low",
		good:    "Age of the oldest record that the group has not committed, as Kafka knows it. Good is a few seconds.",
		queries: one("{{stream}}", `max by (stream) (penstock_watch_lag_seconds{`+ofStream+`})`)})
	b.stat(show{title: "Oldest day not on S3", unit: "s", runbook: "cold-day-late",
		good:    "Since when the oldest day is over that is not cold. Good is below hot_days, the grace period and two days: 32 days by default.",
		queries: one("{{stream}}", `penstock_watch_oldest_untiered_day_seconds{`+ofStream+`}`)})

	b.row("Freshness")
	b.graph(show{title: "Canaries, from sent to queryable", unit: "s", bad: 5, runbook: "canary-late",
		good: "How long events of the watcher's own took until a query had them. Good is p50 below half a second and p99 below two; five is promised.",
		queries: []query{
			{"p50 {{stream}}", quantile(0.5, "penstock_watch_canary_visible_seconds", ofStream, "stream")},
			{"p99 {{stream}}", quantile(0.99, "penstock_watch_canary_visible_seconds", ofStream, "stream")}}})
	b.graph(show{title: "Late canaries, by window", unit: "percentunit", warn: 0.001, bad: 0.0144, runbook: "canary-late",
		good: "Share of canaries that took longer than five seconds or never came. Good is below 0.1 %. Somebody is paged while the windows of 5 m and 1 h are both above 1.44 %.",
		queries: []query{
			{"5m {{stream}}", `stream:penstock_canary_slow:ratio_rate5m{` + ofStream + `}`},
			{"1h {{stream}}", `stream:penstock_canary_slow:ratio_rate1h{` + ofStream + `}`},
			{"6h {{stream}}", `stream:penstock_canary_slow:ratio_rate6h{` + ofStream + `}`},
			{"3d {{stream}}", `stream:penstock_canary_slow:ratio_rate3d{` + ofStream + `}`}}})
	b.graph(show{title: "Lag", unit: "s", bad: 60, runbook: "lag-grows-cpu-low",
		good:    "Age of the oldest record of each stream that is not stored. Good is flat and below some seconds; a slope of one second a second says that nothing is stored.",
		queries: one("{{stream}}", `max by (stream) (penstock_watch_lag_seconds{`+ofStream+`})`)})

	b.row("Flow")
	b.graph(show{title: "Records from Kafka", unit: "ops", runbook: "lag-grows-cpu-high",
		good:    "Records read a second. Good is the fleet's rhythm; a fall to nothing with lag is a fault.",
		queries: one("{{stream}}", rate("penstock_ingest_polled_records_total", ofStream, "stream"))})
	b.graph(show{title: "Rows to ClickHouse", unit: "ops", runbook: "lag-grows-cpu-low",
		good:    "Rows that ClickHouse acknowledged a second. Good is what came, less duplicates and rejects.",
		queries: one("{{stream}}", rate("penstock_ingest_stored_rows_total", ofStream, "stream"))})
	b.graph(show{title: "Rejected and repeated", unit: "percentunit", bad: 0.01, runbook: "dlq-fills",
		good: "Shares of the records that could not be stored, and that were a device's resends. Good is what the fleet always has; rejects above 1 % are looked into.",
		queries: []query{
			{"rejected {{stream}}", rate("penstock_ingest_rejected_records_total", ofStream, "stream") + " / " + rate("penstock_ingest_polled_records_total", ofStream, "stream")},
			{"resent {{stream}}", rate("penstock_ingest_duplicate_records_total", ofStream, "stream") + " / " + rate("penstock_ingest_polled_records_total", ofStream, "stream")}}})

	b.row("What holds it up")
	b.graph(show{title: "Nodes", unit: "short", runbook: "bad-deploy",
		good: "Members of the group, as Kafka knows them, and what the scaler would have. Good is that they are the same.",
		queries: []query{
			{"in the group {{stream}}", `penstock_watch_group_members{` + ofStream + `}`},
			{"should be", `penstock_scaling_nodes`}}})
	b.graph(show{title: "Failed attempts", unit: "ops", runbook: "lag-grows-cpu-low",
		good:    "Attempts a second that failed and are repeated. Good is 0 but for restarts of servers.",
		queries: one("{{what}} {{stream}}", rate("penstock_ingest_retries_total", ofStream, "stream, what"))})
	b.graph(show{title: "Time until Kafka deletes what is not stored", unit: "s", runbook: "offset-out-of-range",
		good:    "How much older Kafka's oldest record is than the next to be stored, of the worst partition. Good is near the topic's retention; at 0 records are lost.",
		queries: one("{{stream}}", `min by (stream) (penstock_watch_retention_seconds{`+ofStream+`})`)})
	return b.made
}
