package reference

// comes are metrics of the watcher, which is on its way.
var comes = func() map[string]Metric {
	all := map[string]Metric{}
	for name, labels := range map[string][]string{
		"canary_visible_seconds": {}, "canary_sent_total": {}, "canary_lost_total": {}, "canary_failures_total": {"what"},
		"up": {"what"}, "lag_records": {"partition"}, "lag_seconds": {"partition"}, "group_members": {},
		"pending_intents": {"partition"}, "oldest_intent_seconds": {"partition"}, "retention_seconds": {"partition"},
		"parts": {"table"}, "partition_parts_max": {"table"}, "parts_delay_limit": {"table"}, "parts_throw_limit": {"table"},
		"readonly_replicas": {}, "disk_free_bytes": {"disk"}, "disk_total_bytes": {"disk"}, "days": {"state"}, "oldest_untiered_day_seconds": {},
	} {
		m := Metric{Name: "penstock_watch_" + name, Type: "gauge", Labels: append(labels, "stream"), Program: "ingest watch"}
		if name == "canary_visible_seconds" {
			m.Type = "histogram"
		}
		all[m.Name] = m
	}
	return all
}()
