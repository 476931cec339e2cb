-- The account of the nodes (`ingest run` and `check`), for the table telemetry in the
-- database penstock. What is stored it can add to, and nothing else.
GRANT SELECT, INSERT ON penstock.telemetry TO ingest;
-- Receipts of a day are also read where it was moved to.
GRANT SELECT ON penstock.telemetry_sealed TO ingest;
-- Which version of the schema the tables have.
GRANT SELECT ON penstock.telemetry_schema TO ingest;
-- Rows of rollups are written by their feeds with the rights of who created them, the
-- account of migrate. Before release 24.2 of ClickHouse, and where the same account
-- does both, they are written by this one: a line for each rollup.
GRANT INSERT ON penstock.telemetry_1m_state TO ingest;
-- `ingest check`, and audit.every, which compares a rollup with its rows.
GRANT SELECT ON penstock.telemetry_1m_state TO ingest;
GRANT SELECT ON penstock.telemetry_1m TO ingest;
GRANT SHOW TABLES ON penstock.* TO ingest;
GRANT SELECT ON system.columns TO ingest;
GRANT SELECT ON system.tables TO ingest;
-- Whether an insert that was given up is still executed: those of its own account.
GRANT SELECT ON system.processes TO ingest;
