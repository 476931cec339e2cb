-- The account of `ingest audit`, which reads.
GRANT SELECT ON penstock.telemetry TO auditor;
GRANT SELECT ON penstock.telemetry_sealed TO auditor;
GRANT SELECT ON penstock.telemetry_schema TO auditor;
GRANT SELECT ON penstock.telemetry_1m_state TO auditor;
GRANT SELECT ON penstock.telemetry_1m TO auditor;
GRANT SELECT ON system.columns TO auditor;
GRANT SELECT ON system.tables TO auditor;
