-- What a node needs beyond ingest.sql with evolution.policy apply: new fields get their
-- columns while it runs, and the analysts' view has them.
GRANT ALTER ADD COLUMN, ALTER ADD PROJECTION, ALTER DROP PROJECTION ON penstock.telemetry TO ingest;
GRANT INSERT, ALTER ADD COLUMN ON penstock.telemetry_sealed TO ingest;
GRANT INSERT ON penstock.telemetry_schema TO ingest;
GRANT CREATE VIEW, DROP VIEW ON penstock.telemetry_all TO ingest;
