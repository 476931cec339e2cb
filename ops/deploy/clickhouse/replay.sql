-- The account of `ingest dlq replay`, which stores as a node does; `dlq ls` and
-- `dlq show` ask Kafka alone.
GRANT SELECT, INSERT ON penstock.telemetry TO replayer;
GRANT SELECT ON penstock.telemetry_sealed TO replayer;
GRANT SELECT ON penstock.telemetry_schema TO replayer;
-- Whether a letter's event is stored by another way, wherever its day is.
GRANT SELECT ON penstock.telemetry_all TO replayer;
GRANT INSERT ON penstock.telemetry_1m_state TO replayer; -- as in ingest.sql
GRANT SELECT ON system.columns TO replayer;
GRANT SELECT ON system.tables TO replayer;
GRANT SELECT ON system.processes TO replayer;
-- Days that are cold are read from S3 by the view.
GRANT NAMED COLLECTION ON penstock_cold TO replayer;
GRANT READ ON S3 TO replayer;
GRANT CREATE TEMPORARY TABLE ON *.* TO replayer;
