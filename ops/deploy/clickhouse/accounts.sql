-- The accounts themselves, to be made before the rights of the files beside this one.
-- Replace each password, such as by
--   sed "s/<ingest password>/$(cat ingest.password)/" accounts.sql | clickhouse-client --multiquery

-- Bounds of a program's queries. readonly is not among them: the programs send settings
-- with what they ask, such as the token of an insert.
CREATE SETTINGS PROFILE IF NOT EXISTS penstock_writer SETTINGS
    -- A quorum of the replicas, where there are some: an acknowledged row is not lost
    -- with one of them. 0 is for one server.
    insert_quorum = 0,
    insert_quorum_parallel = 1,
    -- Sent with every insert as well; here for whoever logs in by hand.
    async_insert = 0 CHANGEABLE_IN_READONLY,
    max_memory_usage = 4000000000,
    max_execution_time = 600;
CREATE SETTINGS PROFILE IF NOT EXISTS penstock_operator SETTINGS
    max_memory_usage = 8000000000,
    -- An audit of days and the backfill of a rollup read everything there is.
    max_execution_time = 14400;
-- Whom nothing may be left to for the nodes: an analyst's query is the first to go.
CREATE SETTINGS PROFILE IF NOT EXISTS penstock_reader SETTINGS
    max_memory_usage = 8000000000,
    max_execution_time = 300,
    max_threads = 8,
    priority = 10,
    max_result_rows = 10000000,
    result_overflow_mode = 'throw';

-- A quota is of an account, and counts by the hour. A node makes some ten queries a
-- second; a thousand is a program that has gone wild.
CREATE QUOTA IF NOT EXISTS penstock_programs KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 3600000, errors = 100000;
CREATE QUOTA IF NOT EXISTS penstock_analysts KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 20000, errors = 5000, execution_time = 20000;

CREATE USER IF NOT EXISTS ingest IDENTIFIED WITH sha256_password BY '<ingest password>' SETTINGS PROFILE penstock_writer;
CREATE USER IF NOT EXISTS replayer IDENTIFIED WITH sha256_password BY '<replayer password>' SETTINGS PROFILE penstock_writer;
CREATE USER IF NOT EXISTS migrate IDENTIFIED WITH sha256_password BY '<migrate password>' SETTINGS PROFILE penstock_operator;
CREATE USER IF NOT EXISTS auditor IDENTIFIED WITH sha256_password BY '<auditor password>' SETTINGS PROFILE penstock_operator;
CREATE USER IF NOT EXISTS compactor IDENTIFIED WITH sha256_password BY '<compactor password>' SETTINGS PROFILE penstock_operator;
CREATE USER IF NOT EXISTS eraser IDENTIFIED WITH sha256_password BY '<eraser password>' SETTINGS PROFILE penstock_operator;
CREATE USER IF NOT EXISTS watch IDENTIFIED WITH sha256_password BY '<watch password>' SETTINGS PROFILE penstock_reader;
CREATE USER IF NOT EXISTS analyst IDENTIFIED WITH sha256_password BY '<analyst password>' SETTINGS PROFILE penstock_reader;

ALTER QUOTA penstock_programs TO ingest, replayer, migrate, auditor, compactor, eraser, watch;
ALTER QUOTA penstock_analysts TO analyst;
