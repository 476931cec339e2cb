-- The cold tier for Trino's Hive connector. 3 files of 2026-10-01 to 2026-10-02. To be made anew when the compactor has published others.
-- Timestamps are in UTC. The table holds no data of its own: to drop it deletes nothing.
DROP TABLE IF EXISTS "lake"."readings_folder";
CREATE TABLE "lake"."readings_folder" (
    "device_id" varchar,
    "seq" bigint,
    "ts" timestamp(3),
    "small" tinyint,
    "short" smallint,
    "plain" integer,
    "long" bigint,
    "percent" integer,
    "code" integer,
    "uptime" integer,
    "load" real,
    "latitude" double,
    "open" boolean,
    "fan_rpm" integer,
    "door" varchar,
    "extra" varchar,
    "_topic" varchar,
    "_partition" integer,
    "_offset" bigint,
    "_ingested_at" timestamp(3),
    "_index" integer,
    "day" date,
    "gen" integer
) WITH (external_location = 's3://cold/penstock/fleet/', format = 'PARQUET', partitioned_by = ARRAY['day', 'gen']);
CALL system.sync_partition_metadata('lake', 'readings_folder', 'FULL');
CREATE OR REPLACE VIEW "lake"."readings" AS
SELECT "device_id", CAST(IF("seq" < 0, "seq" + DECIMAL '18446744073709551616', "seq") AS decimal(20, 0)) AS "seq", "ts", "small", "short", "plain", "long", "percent", "code", IF("uptime" < 0, "uptime" + BIGINT '4294967296', "uptime") AS "uptime", "load", "latitude", "open", IF("fan_rpm" < 0, "fan_rpm" + BIGINT '4294967296', "fan_rpm") AS "fan_rpm", COALESCE("door", '') AS "door", "extra", "_topic", "_partition", "_offset", "_ingested_at", "_index", "day" AS "_day"
FROM "lake"."readings_folder"
WHERE "$path" IN (
    's3://cold/penstock/fleet/day=2026-10-01/gen=000001/part-00000-0000000000000000.parquet',
    's3://cold/penstock/fleet/day=2026-10-01/gen=000002/part-00000-0000000000000001.parquet',
    's3://cold/penstock/fleet/day=2026-10-02/gen=000001/part-00000-0000000000000002.parquet'
);
