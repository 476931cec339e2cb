-- The account of `ingest migrate`. The feeds of rollups run with its rights (SQL
-- SECURITY DEFINER, as ClickHouse has it): it has to stay where nodes insert, and
-- nobody has to be able to log in with it between two migrations.
GRANT CREATE DATABASE ON penstock.* TO migrate;
-- The tables of events, and columns that a newer schema adds to them.
GRANT SELECT, CREATE TABLE, ALTER ADD COLUMN ON penstock.telemetry TO migrate;
GRANT SELECT, CREATE TABLE, ALTER ADD COLUMN ON penstock.telemetry_sealed TO migrate;
GRANT SELECT, INSERT, CREATE TABLE ON penstock.telemetry_schema TO migrate;
-- CREATE OR REPLACE VIEW makes the new one under another name, and exchanges them.
GRANT SELECT, CREATE VIEW, DROP VIEW ON penstock.telemetry_all TO migrate;
-- A rollup that came later is counted from what is stored: in tables beside it
-- (telemetry_1m_fill_20261001), of which days are moved to its own.
GRANT SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER ON penstock.telemetry_1m* TO migrate;
GRANT SELECT ON system.columns TO migrate;
GRANT SELECT ON system.tables TO migrate;
GRANT SELECT ON system.databases TO migrate;
