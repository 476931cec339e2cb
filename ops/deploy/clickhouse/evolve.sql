-- What a node needs beyond ingest.sql with evolution.policy apply, and `ingest schema
-- apply`: new fields get their columns, and the analysts' view has them.
GRANT ALTER ADD COLUMN ON penstock.telemetry TO ingest;
GRANT ALTER ADD COLUMN ON penstock.telemetry_sealed TO ingest;
GRANT INSERT ON penstock.telemetry_schema TO ingest;
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON penstock.telemetry_all TO ingest;
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON penstock._tmp_replace_* TO ingest;
-- Days that are cold are read from S3 by the view, also when it is made.
GRANT NAMED COLLECTION ON penstock_cold TO ingest;
GRANT READ ON S3 TO ingest;
GRANT CREATE TEMPORARY TABLE ON *.* TO ingest;
