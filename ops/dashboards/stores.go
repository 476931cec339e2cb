package dashboards

// clickHouse is what keeps ClickHouse from taking inserts, and what will.
func clickHouse() Dashboard {
	b := begin("clickhouse", "ClickHouse and parts", "What ClickHouse takes, and how near it is to where it takes no more.", stream)
	b.row("Inserts")
	b.graph(show{title: "Time of an insert", unit: "s", bad: 3, runbook: "freshness-worse-parts-grow",
		good: "From the first attempt to the acknowledgement, with the waits between. Good is a tenth of a second or two.",
		queries: []query{
			{"p50 {{stream}}", quantile(0.5, "penstock_ingest_insert_duration_seconds", ofStream, "stream")},
			{"p99 {{stream}}", quantile(0.99, "penstock_ingest_insert_duration_seconds", ofStream, "stream")}}})
	b.graph(show{title: "Inserts", unit: "ops", runbook: "freshness-worse-parts-grow",
		good:    "Inserts a second. Good is some per node: each is a part for each of its days.",
		queries: one("{{stream}}", rate("penstock_ingest_inserts_total", ofStream, "stream"))})
	b.graph(show{title: "Bytes stored, before compression", unit: "Bps", runbook: "disk-full",
		good:    "Bytes of acknowledged rows a second. Good is the fleet's rhythm.",
		queries: one("{{stream}}", rate("penstock_ingest_stored_bytes_total", ofStream, "stream"))})
	b.row("Parts")
	b.graph(show{title: "Parts of the fullest day, of the limit", unit: "percentunit", warn: 0.7, bad: 1, runbook: "freshness-worse-parts-grow",
		good: "Parts of a table's fullest partition, over where ClickHouse delays inserts, and over where it refuses them. Good is below a tenth.",
		queries: []query{
			{"delay {{table}}", "max by (table) (penstock_watch_partition_parts_max{" + ofStream + "} / penstock_watch_parts_delay_limit{" + ofStream + "})"},
			{"refuse {{table}}", "max by (table) (penstock_watch_partition_parts_max{" + ofStream + "} / penstock_watch_parts_throw_limit{" + ofStream + "})"}}})
	b.graph(show{title: "Parts", unit: "short", runbook: "freshness-worse-parts-grow",
		good:    "Active parts of each table. Good is flat over a day.",
		queries: one("{{table}}", "max by (table) (penstock_watch_parts{"+ofStream+"})")})
	b.graph(show{title: "Breaker and read-only replicas", unit: "short", bad: 1, runbook: "clickhouse-readonly",
		good: "Whether nodes hold inserts back, and how many tables' replicas take none. Good is 0.",
		queries: []query{
			{"breaker {{stream}}", "max by (stream) (penstock_ingest_breaker_open{" + ofStream + "})"},
			{"read-only {{stream}}", "penstock_watch_readonly_replicas{" + ofStream + "}"}}})
	b.row("Disk")
	b.graph(show{title: "Free", unit: "percentunit", runbook: "disk-full",
		good:    "Share of each disk that is free. Good is above 40 %: a merge of the largest day wants its room.",
		queries: one("{{disk}}", "min by (disk) (penstock_watch_disk_free_bytes{"+ofStream+"} / penstock_watch_disk_total_bytes{"+ofStream+"})")})
	b.graph(show{title: "Full in", unit: "s", runbook: "disk-full",
		good:    "When the disk would be full if it went on like in the last six hours; absent while it does not fill. Good is weeks, or nothing.",
		queries: one("{{disk}}", "min by (disk) (penstock_watch_disk_free_bytes{"+ofStream+"} / -(deriv(penstock_watch_disk_free_bytes{"+ofStream+"}[6h]) < 0))")})
	b.graph(show{title: "The watcher's view", unit: "short", runbook: "watcher-down",
		good:    "1 while Kafka and ClickHouse answer the watcher. Good is 1.",
		queries: one("{{what}} {{stream}}", "penstock_watch_up{"+ofStream+"}")})
	return b.made
}

// cold is where days are on their way to S3.
func cold() Dashboard {
	b := begin("cold", "Cold tier", "Where days are on their way to Parquet on S3, and what keeps them.", stream, table)
	b.row("Days")
	b.graph(show{title: "Days, by where they are", unit: "short", stacked: true, runbook: "cold-day-late",
		good:    "Days that have rows: hot in ClickHouse, sealed on their way, cold on S3. Good is hot_days and one hot, one or two sealed.",
		queries: one("{{state}} {{stream}}", "penstock_watch_days{"+ofStream+"}")})
	b.graph(show{title: "Oldest day that is not cold", unit: "s", runbook: "cold-day-late",
		good: "Since when it is over, and the limit. Good is a saw below the limit.",
		queries: []query{
			{"{{stream}}", "penstock_watch_oldest_untiered_day_seconds{" + ofStream + "}"},
			{"limit", "penstock:oldest_untiered_day_limit:seconds"}}})
	b.graph(show{title: "Steps running", unit: "short", runbook: "cold-day-late",
		good:    "What is being done now. Good is something at night and nothing by day.",
		queries: one("{{action}} {{table}}", "penstock_compactor_steps_running{"+ofTable+"}")})
	b.row("Steps")
	b.graph(show{title: "Steps done", unit: "short", stacked: true, runbook: "cold-day-late",
		good:    "Steps done within an hour, by kind. Good is a day's worth a day.",
		queries: one("{{action}}", "sum by (action) (increase(penstock_compactor_steps_total{"+ofTable+"}[1h]))")})
	b.graph(show{title: "Steps that failed", unit: "short", bad: 1, runbook: "s3-refuses",
		good:    "Within an hour, by kind. Both copies of the day stay. Good is 0.",
		queries: one("{{action}} {{table}}", "sum by (action, table) (increase(penstock_compactor_step_failures_total{"+ofTable+"}[1h]))")})
	b.graph(show{title: "Time of a step", unit: "s", runbook: "cold-day-late",
		good:    "Average time of the steps done within an hour. Good is minutes for export, seconds for the others.",
		queries: one("{{action}}", "sum by (action) (increase(penstock_compactor_step_duration_seconds_sum{"+ofTable+"}[1h])) / sum by (action) (increase(penstock_compactor_step_duration_seconds_count{"+ofTable+"}[1h])) or histogram_avg(sum by (action) (increase(penstock_compactor_step_duration_seconds{"+ofTable+"}[1h])))")})
	b.row("Rows and bytes")
	b.graph(show{title: "Progress", unit: "percentunit", runbook: "cold-day-late",
		good: "Share of the days at work that is read, read back, inserted or compared. Good is that it moves.",
		queries: []query{
			{"export {{table}}", "penstock_compactor_export_progress_ratio{" + ofTable + "}"},
			{"verify {{table}}", "penstock_compactor_verify_progress_ratio{" + ofTable + "}"},
			{"restore {{table}}", "penstock_compactor_load_progress_ratio{" + ofTable + "}"},
			{"compare {{table}}", "penstock_compactor_compare_progress_ratio{" + ofTable + "}"}}})
	b.graph(show{title: "Rows", unit: "ops", runbook: "cold-day-late",
		good: "Rows a second read for export, read back, and inserted to restore. Good is hundreds of thousands while a day moves.",
		queries: []query{
			{"export", rate("penstock_compactor_exported_rows_total", ofTable, "")},
			{"verify", rate("penstock_compactor_verified_rows_total", ofTable, "")},
			{"restore", rate("penstock_compactor_loaded_rows_total", ofTable, "")}}})
	b.graph(show{title: "Held up and strayed", unit: "short", runbook: "cold-day-late",
		good: "Times within an hour that reading waited for a busy ClickHouse, and rows that a compactor moved without the lease. Good is few, and none.",
		queries: []query{
			{"waited {{table}}", "sum by (table) (increase(penstock_compactor_yields_total{" + ofTable + "}[1h]))"},
			{"strayed {{table}}", "sum by (table) (increase(penstock_compactor_strayed_rows_total{" + ofTable + "}[1h]))"}}})
	b.row("S3")
	b.graph(show{title: "To S3", unit: "Bps", runbook: "s3-refuses",
		good:    "Bytes of Parquet a second stored on S3. Good is what a day has, once a day.",
		queries: one("{{table}}", rate("penstock_compactor_stored_file_bytes_total", ofTable, "table"))})
	b.graph(show{title: "From S3", unit: "Bps", runbook: "s3-refuses",
		good:    "Bytes a second read back to verify or restore. Good is as much as was stored, and then nothing.",
		queries: one("{{table}}", rate("penstock_compactor_read_file_bytes_total", ofTable, "table"))})
	b.graph(show{title: "Fence of the lease", unit: "short", runbook: "cold-day-late",
		good:    "The number of the lease each compactor held last. Good is that one of a table grows, by one a pass.",
		queries: one("{{instance}} {{table}}", "penstock_compactor_lease_fence{"+ofTable+"}")})
	return b.made
}
