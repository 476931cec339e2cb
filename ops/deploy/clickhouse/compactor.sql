-- The account of the compactor, for the table telemetry in the database penstock.
-- Why each right is needed, and what it allows beyond that: docs/privileges.md.

-- Days are moved out of the hot table, and nothing is deleted there.
GRANT SELECT, ALTER MOVE PARTITION ON penstock.telemetry TO compactor;
-- And into the sealed one, which is counted, read, dropped part by part, and
-- filled again by a restore.
GRANT SELECT, INSERT, ALTER DELETE ON penstock.telemetry_sealed TO compactor;
-- The analysts' view is made anew under a name with the compactor's fencing
-- number, and exchanged for the one there is, which counts as renaming both. The
-- rights to make and drop tables hold those to make and drop views.
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON penstock.telemetry_all TO compactor;
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON penstock.telemetry_all_next_* TO compactor;
-- Which version of the schema is ready.
GRANT SELECT ON penstock.telemetry_schema TO compactor;
-- Days, their parts, the tables' columns and the view's comment.
GRANT SELECT ON system.parts TO compactor;
GRANT SELECT ON system.columns TO compactor;
GRANT SELECT ON system.tables TO compactor;
GRANT SELECT ON system.databases TO compactor;
-- Deletions of an erasure that have to be through before a day is exported.
GRANT SELECT ON system.mutations TO compactor;
-- Files are read through a named collection, which the compactor keeps up to date.
GRANT CREATE NAMED COLLECTION, ALTER NAMED COLLECTION, NAMED COLLECTION ON penstock_cold TO compactor;
GRANT READ ON S3 TO compactor;
GRANT CREATE TEMPORARY TABLE ON *.* TO compactor;
