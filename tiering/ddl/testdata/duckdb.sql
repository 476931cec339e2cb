-- The cold tier for DuckDB. 3 files of 2026-10-01 to 2026-10-02. To be made anew when the compactor has published others.
-- DuckDB has to know the bucket's credentials, for example:
--   INSTALL httpfs; CREATE SECRET (TYPE s3, PROVIDER credential_chain, REGION 'us-east-1', ENDPOINT '127.0.0.1:7070', USE_SSL false, URL_STYLE 'path');
CREATE OR REPLACE VIEW "readings" AS
SELECT "device_id", "seq", "ts", "small", "short", "plain", "long", "percent", "code", "uptime", "load", "latitude", "open", "fan_rpm", "door", "extra", "_topic", "_partition", "_offset", "_ingested_at", "_index", day AS "_day"
FROM read_parquet([
    's3://cold/penstock/fleet/day=2026-10-02/gen=000001/part-00000-0000000000000002.parquet'
], hive_partitioning = true, hive_types = {'day': DATE, 'gen': INTEGER})
UNION ALL
SELECT "device_id", "seq", "ts", "small", "short", "plain", "long", "percent", "code", "uptime", "load", "latitude", "open", CAST(NULL AS UINTEGER) AS "fan_rpm", CAST('' AS VARCHAR) AS "door", "extra", "_topic", "_partition", "_offset", "_ingested_at", "_index", day AS "_day"
FROM read_parquet([
    's3://cold/penstock/fleet/day=2026-10-01/gen=000001/part-00000-0000000000000000.parquet',
    's3://cold/penstock/fleet/day=2026-10-01/gen=000002/part-00000-0000000000000001.parquet'
], hive_partitioning = true, hive_types = {'day': DATE, 'gen': INTEGER});
