-- The account of `ingest watch`, which reads and changes nothing: canaries come to the
-- table by Kafka and a node, as events do.

-- Rows of canaries are looked for by device and time. These are the columns that are
-- read of them; a schema of another identity has others.
GRANT SELECT(device_id, seq, ts, _partition, _offset, _index) ON penstock.telemetry TO watch;
-- Parts and days, limits of parts, the view's comment, disks, replicas. With replicas it
-- is system.replicated_merge_tree_settings. What is not granted is not told, but for
-- parts and tables, without which there is nothing to tell.
GRANT SELECT ON system.parts TO watch;
GRANT SELECT ON system.tables TO watch;
GRANT SELECT ON system.merge_tree_settings TO watch;
GRANT SELECT ON system.disks TO watch;
GRANT SELECT ON system.replicas TO watch;
-- A table or view that the account may not see is not listed in system.tables.
GRANT SHOW TABLES ON penstock.* TO watch;
