-- What `ingest audit --repair-rollups` needs beyond audit.sql: a day is computed in a
-- table beside the rollup's, telemetry_1m_repair_20261001, and takes its place.
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON penstock.telemetry_1m_repair_* TO auditor;
GRANT INSERT, ALTER DELETE ON penstock.telemetry_1m_state TO auditor;
