-- The account of `ingest audit`, which reads.
GRANT SELECT ON penstock.telemetry TO auditor;
GRANT SELECT ON penstock.telemetry_sealed TO auditor;
GRANT SELECT ON penstock.telemetry_schema TO auditor;
-- Whether all rows of a day are here, or some on other shards or cold.
GRANT SELECT ON penstock.telemetry_all TO auditor;
GRANT SELECT ON penstock.telemetry_1m_state TO auditor;
GRANT SELECT ON penstock.telemetry_1m TO auditor;
GRANT SELECT ON system.columns TO auditor;
GRANT SELECT ON system.tables TO auditor;
-- Days that are cold are read from S3 by the view.
GRANT NAMED COLLECTION ON penstock_cold TO auditor;
GRANT READ ON S3 TO auditor;
GRANT CREATE TEMPORARY TABLE ON *.* TO auditor;
