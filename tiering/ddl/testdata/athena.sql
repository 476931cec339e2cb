-- The cold tier for Athena. 3 files of 2026-10-01 to 2026-10-02. To be made anew when the compactor has published others.
-- Timestamps are in UTC. The table holds no data of its own: to drop it deletes nothing.
-- Athena runs one statement at a time.
DROP TABLE IF EXISTS `readings_folder`;
CREATE EXTERNAL TABLE `readings_folder` (
    `device_id` string,
    `seq` bigint,
    `ts` timestamp,
    `small` tinyint,
    `short` smallint,
    `plain` int,
    `long` bigint,
    `percent` int,
    `code` int,
    `uptime` int,
    `load` float,
    `latitude` double,
    `open` boolean,
    `fan_rpm` int,
    `door` string,
    `extra` string,
    `_topic` string,
    `_partition` int,
    `_offset` bigint,
    `_ingested_at` timestamp,
    `_index` int
)
PARTITIONED BY (`day` date, `gen` int)
STORED AS PARQUET
LOCATION 's3://cold/penstock/fleet/'
TBLPROPERTIES (
    'projection.enabled' = 'true',
    'projection.day.type' = 'date',
    'projection.day.format' = 'yyyy-MM-dd',
    'projection.day.range' = '2026-10-01,2026-10-02',
    'projection.gen.type' = 'integer',
    'projection.gen.digits' = '6',
    'projection.gen.range' = '1,2',
    'storage.location.template' = 's3://cold/penstock/fleet/day=${day}/gen=${gen}/'
);
CREATE OR REPLACE VIEW "readings" AS
SELECT "device_id", CAST(IF("seq" < 0, "seq" + DECIMAL '18446744073709551616', "seq") AS decimal(20, 0)) AS "seq", "ts", "small", "short", "plain", "long", "percent", "code", IF("uptime" < 0, "uptime" + BIGINT '4294967296', "uptime") AS "uptime", "load", "latitude", "open", IF("fan_rpm" < 0, "fan_rpm" + BIGINT '4294967296', "fan_rpm") AS "fan_rpm", COALESCE("door", '') AS "door", "extra", "_topic", "_partition", "_offset", "_ingested_at", "_index", "day" AS "_day"
FROM "readings_folder"
WHERE "$path" IN (
    's3://cold/penstock/fleet/day=2026-10-01/gen=000001/part-00000-0000000000000000.parquet',
    's3://cold/penstock/fleet/day=2026-10-01/gen=000002/part-00000-0000000000000001.parquet',
    's3://cold/penstock/fleet/day=2026-10-02/gen=000001/part-00000-0000000000000002.parquet'
);
