-- The account of `ingest migrate`. The feeds of rollups run with its rights (SQL
-- SECURITY DEFINER, as ClickHouse has it): it has to stay where nodes insert, and
-- nobody has to be able to log in with it between two migrations.
GRANT CREATE DATABASE ON penstock.* TO migrate;
-- The tables of events, and columns that a newer schema adds to them.
GRANT SELECT, CREATE TABLE, ALTER ADD COLUMN ON penstock.telemetry TO migrate;
GRANT SELECT, CREATE TABLE, ALTER ADD COLUMN ON penstock.telemetry_sealed TO migrate;
GRANT SELECT, INSERT, CREATE TABLE ON penstock.telemetry_schema TO migrate;
-- CREATE OR REPLACE VIEW makes the new one under a name of its own, exchanges them, and
-- drops the old one, which counts as renaming two tables. The rights to make and drop
-- tables hold those to make and drop views.
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON penstock.telemetry_all TO migrate;
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON penstock._tmp_replace_* TO migrate;
-- A rollup that came later is counted from what is stored: in tables beside it
-- (telemetry_1m_fill_20261001), of which days are moved to its own.
GRANT SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER ON penstock.telemetry_1m* TO migrate;
GRANT SELECT ON system.columns TO migrate;
GRANT SELECT ON system.tables TO migrate;
GRANT SELECT ON system.databases TO migrate;
-- Days that are cold are read from S3 by the view, also when it is made.
GRANT NAMED COLLECTION ON penstock_cold TO migrate;
GRANT READ ON S3 TO migrate;
GRANT CREATE TEMPORARY TABLE ON *.* TO migrate;
