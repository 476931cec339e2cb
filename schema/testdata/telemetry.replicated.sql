CREATE TABLE IF NOT EXISTS `fleet`.`telemetry` ON CLUSTER `main`
(
    `device_id` String COMMENT 'The device, unique in the fleet.' CODEC(LZ4),
    `seq` UInt64 COMMENT 'Number of the reading, counted by the device.' CODEC(Delta, LZ4),
    `ts` DateTime64(3, 'UTC') COMMENT 'When the device took the reading.' CODEC(Delta, ZSTD(1)),
    `event_id` String COMMENT 'The sender\'s own id of the event; empty if it gives none.',
    `firmware` LowCardinality(String) COMMENT 'Firmware version.',
    `site` LowCardinality(String) COMMENT 'Plant the device stands in.',
    `line` LowCardinality(String) COMMENT 'Production line within the site.',
    `status` LowCardinality(String) COMMENT 'The device\'s own verdict: ok, warn, fault.',
    `temperature` Nullable(Float32) COMMENT 'Temperature at the bearing. [°C]',
    `humidity` Nullable(Float32) COMMENT 'Relative humidity. [%]',
    `pressure` Nullable(Float32) COMMENT 'Line pressure. [kPa]',
    `vibration_x` Nullable(Float32) COMMENT 'RMS vibration velocity, axis x. [mm/s]',
    `vibration_y` Nullable(Float32) COMMENT 'RMS vibration velocity, axis y. [mm/s]',
    `vibration_z` Nullable(Float32) COMMENT 'RMS vibration velocity, axis z. [mm/s]',
    `voltage` Nullable(Float32) COMMENT 'Supply voltage. [V]',
    `current` Nullable(Float32) COMMENT 'Motor current. [A]',
    `power` Nullable(Float32) COMMENT 'Motor power. [W]',
    `frequency` Nullable(Float32) COMMENT 'Inverter frequency. [Hz]',
    `flow_rate` Nullable(Float32) COMMENT 'Coolant flow. [l/min]',
    `battery` Nullable(UInt8) COMMENT 'Charge of the backup battery. [%]',
    `rssi` Nullable(Int16) COMMENT 'Radio signal strength. [dBm]',
    `latitude` Nullable(Float64) COMMENT 'WGS 84 latitude. [°]',
    `longitude` Nullable(Float64) COMMENT 'WGS 84 longitude. [°]',
    `uptime` Nullable(UInt32) COMMENT 'Seconds since the device started. [s]' CODEC(Delta, ZSTD(1)),
    `error_code` Nullable(UInt16) COMMENT 'Last error of the device; NULL if it never had one.',
    `door_open` Nullable(Bool) COMMENT 'Whether the cabinet door was open.',
    `extra` String COMMENT 'Fields the schema does not know, and values that do not fit their column, as a JSON object; empty if none.',
    `_topic` LowCardinality(String) COMMENT 'Kafka topic the event came from.',
    `_partition` Int32 COMMENT 'Kafka partition.',
    `_offset` Int64 COMMENT 'Kafka offset: with topic, partition and index, where the event came from.' CODEC(Delta, ZSTD(1)),
    `_ingested_at` DateTime64(3, 'UTC') COMMENT 'Kafka\'s timestamp of the record.' CODEC(Delta, ZSTD(1)),
    `_index` UInt16 COMMENT 'Which of its record\'s events this is, from 0 on; 0 where a record is one event.',
    PROJECTION receipts (SELECT `_partition`, `_offset`, `_index`, `_ingested_at`, `ts`, xxHash64(`device_id`), `seq` ORDER BY `_partition`, `_offset`)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/telemetry', '{replica}')
PARTITION BY toDate(`ts`)
ORDER BY (`device_id`, `ts`)
SETTINGS replicated_deduplication_window = 10000,
    merge_selector_base = 20,
    min_level_for_wide_part = 1,
    auto_statistics_types = '',
    default_compression_codec = 'ZSTD(1)';

CREATE TABLE IF NOT EXISTS `fleet`.`telemetry_sealed` ON CLUSTER `main`
(
    `device_id` String COMMENT 'The device, unique in the fleet.' CODEC(LZ4),
    `seq` UInt64 COMMENT 'Number of the reading, counted by the device.' CODEC(Delta, LZ4),
    `ts` DateTime64(3, 'UTC') COMMENT 'When the device took the reading.' CODEC(Delta, ZSTD(1)),
    `event_id` String COMMENT 'The sender\'s own id of the event; empty if it gives none.',
    `firmware` LowCardinality(String) COMMENT 'Firmware version.',
    `site` LowCardinality(String) COMMENT 'Plant the device stands in.',
    `line` LowCardinality(String) COMMENT 'Production line within the site.',
    `status` LowCardinality(String) COMMENT 'The device\'s own verdict: ok, warn, fault.',
    `temperature` Nullable(Float32) COMMENT 'Temperature at the bearing. [°C]',
    `humidity` Nullable(Float32) COMMENT 'Relative humidity. [%]',
    `pressure` Nullable(Float32) COMMENT 'Line pressure. [kPa]',
    `vibration_x` Nullable(Float32) COMMENT 'RMS vibration velocity, axis x. [mm/s]',
    `vibration_y` Nullable(Float32) COMMENT 'RMS vibration velocity, axis y. [mm/s]',
    `vibration_z` Nullable(Float32) COMMENT 'RMS vibration velocity, axis z. [mm/s]',
    `voltage` Nullable(Float32) COMMENT 'Supply voltage. [V]',
    `current` Nullable(Float32) COMMENT 'Motor current. [A]',
    `power` Nullable(Float32) COMMENT 'Motor power. [W]',
    `frequency` Nullable(Float32) COMMENT 'Inverter frequency. [Hz]',
    `flow_rate` Nullable(Float32) COMMENT 'Coolant flow. [l/min]',
    `battery` Nullable(UInt8) COMMENT 'Charge of the backup battery. [%]',
    `rssi` Nullable(Int16) COMMENT 'Radio signal strength. [dBm]',
    `latitude` Nullable(Float64) COMMENT 'WGS 84 latitude. [°]',
    `longitude` Nullable(Float64) COMMENT 'WGS 84 longitude. [°]',
    `uptime` Nullable(UInt32) COMMENT 'Seconds since the device started. [s]' CODEC(Delta, ZSTD(1)),
    `error_code` Nullable(UInt16) COMMENT 'Last error of the device; NULL if it never had one.',
    `door_open` Nullable(Bool) COMMENT 'Whether the cabinet door was open.',
    `extra` String COMMENT 'Fields the schema does not know, and values that do not fit their column, as a JSON object; empty if none.',
    `_topic` LowCardinality(String) COMMENT 'Kafka topic the event came from.',
    `_partition` Int32 COMMENT 'Kafka partition.',
    `_offset` Int64 COMMENT 'Kafka offset: with topic, partition and index, where the event came from.' CODEC(Delta, ZSTD(1)),
    `_ingested_at` DateTime64(3, 'UTC') COMMENT 'Kafka\'s timestamp of the record.' CODEC(Delta, ZSTD(1)),
    `_index` UInt16 COMMENT 'Which of its record\'s events this is, from 0 on; 0 where a record is one event.',
    PROJECTION receipts (SELECT `_partition`, `_offset`, `_index`, `_ingested_at`, `ts`, xxHash64(`device_id`), `seq` ORDER BY `_partition`, `_offset`)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/telemetry_sealed', '{replica}')
PARTITION BY toDate(`ts`)
ORDER BY (`device_id`, `ts`)
SETTINGS replicated_deduplication_window = 10000,
    merge_selector_base = 20,
    min_level_for_wide_part = 1,
    auto_statistics_types = '',
    default_compression_codec = 'ZSTD(1)';

CREATE VIEW IF NOT EXISTS `fleet`.`telemetry_all` ON CLUSTER `main` AS
SELECT `device_id`, `seq`, `ts`, `event_id`, `firmware`, `site`, `line`, `status`, `temperature`, `humidity`, `pressure`, `vibration_x`, `vibration_y`, `vibration_z`, `voltage`, `current`, `power`, `frequency`, `flow_rate`, `battery`, `rssi`, `latitude`, `longitude`, `uptime`, `error_code`, `door_open`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at`, `_index`, toDate(`ts`) AS `_day` FROM `fleet`.`telemetry`
UNION ALL
SELECT `device_id`, `seq`, `ts`, `event_id`, `firmware`, `site`, `line`, `status`, `temperature`, `humidity`, `pressure`, `vibration_x`, `vibration_y`, `vibration_z`, `voltage`, `current`, `power`, `frequency`, `flow_rate`, `battery`, `rssi`, `latitude`, `longitude`, `uptime`, `error_code`, `door_open`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at`, `_index`, toDate(`ts`) AS `_day` FROM `fleet`.`telemetry_sealed`
COMMENT '{"schema_version":1,"cold":{}}';

CREATE TABLE IF NOT EXISTS `fleet`.`telemetry_schema` ON CLUSTER `main`
(
    version UInt32 COMMENT 'Version of the schema',
    state LowCardinality(String) COMMENT 'accepted: decided; ready: every table has its columns',
    text String COMMENT 'The schema file',
    at DateTime64(3, 'UTC') COMMENT 'When it came to this state',
    by String COMMENT 'Who brought it there'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/telemetry_schema', '{replica}')
ORDER BY (version, state)
SETTINGS replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS `fleet`.`telemetry_1m_state` ON CLUSTER `main`
(
    `device_id` String,
    `minute` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `events` SimpleAggregateFunction(sum, UInt64),
    `temperature_min` SimpleAggregateFunction(min, Nullable(Float32)),
    `temperature_max` SimpleAggregateFunction(max, Nullable(Float32)),
    `temperature_avg` AggregateFunction(avg, Nullable(Float32)),
    `temperature_last` SimpleAggregateFunction(max, Nullable(UInt64)),
    `humidity_min` SimpleAggregateFunction(min, Nullable(Float32)),
    `humidity_max` SimpleAggregateFunction(max, Nullable(Float32)),
    `humidity_avg` AggregateFunction(avg, Nullable(Float32)),
    `humidity_last` SimpleAggregateFunction(max, Nullable(UInt64)),
    `pressure_min` SimpleAggregateFunction(min, Nullable(Float32)),
    `pressure_max` SimpleAggregateFunction(max, Nullable(Float32)),
    `pressure_avg` AggregateFunction(avg, Nullable(Float32)),
    `pressure_last` SimpleAggregateFunction(max, Nullable(UInt64)),
    `vibration_x_min` SimpleAggregateFunction(min, Nullable(Float32)),
    `vibration_x_max` SimpleAggregateFunction(max, Nullable(Float32)),
    `vibration_x_avg` AggregateFunction(avg, Nullable(Float32)),
    `vibration_x_last` SimpleAggregateFunction(max, Nullable(UInt64)),
    `vibration_y_min` SimpleAggregateFunction(min, Nullable(Float32)),
    `vibration_y_max` SimpleAggregateFunction(max, Nullable(Float32)),
    `vibration_y_avg` AggregateFunction(avg, Nullable(Float32)),
    `vibration_y_last` SimpleAggregateFunction(max, Nullable(UInt64)),
    `vibration_z_min` SimpleAggregateFunction(min, Nullable(Float32)),
    `vibration_z_max` SimpleAggregateFunction(max, Nullable(Float32)),
    `vibration_z_avg` AggregateFunction(avg, Nullable(Float32)),
    `vibration_z_last` SimpleAggregateFunction(max, Nullable(UInt64)),
    `power_min` SimpleAggregateFunction(min, Nullable(Float32)),
    `power_max` SimpleAggregateFunction(max, Nullable(Float32)),
    `power_avg` AggregateFunction(avg, Nullable(Float32)),
    `power_last` SimpleAggregateFunction(max, Nullable(UInt64)),
    `battery_min` SimpleAggregateFunction(min, Nullable(UInt8)),
    `battery_max` SimpleAggregateFunction(max, Nullable(UInt8)),
    `battery_avg` AggregateFunction(avg, Nullable(UInt8)),
    `battery_last` SimpleAggregateFunction(max, Nullable(UInt64))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/telemetry_1m_state', '{replica}')
PARTITION BY toDate(`minute`)
ORDER BY (`device_id`, `minute`)
SETTINGS replicated_deduplication_window = 10000,
    merge_selector_base = 20,
    min_level_for_wide_part = 1,
    auto_statistics_types = '',
    default_compression_codec = 'ZSTD(1)';

CREATE MATERIALIZED VIEW IF NOT EXISTS `fleet`.`telemetry_1m_feed` ON CLUSTER `main` TO `fleet`.`telemetry_1m_state` AS
SELECT `device_id`, toStartOfMinute(toDateTime(`ts`, 'UTC')) AS `minute`,
    count() AS `events`,
    min(`temperature`) AS `temperature_min`,
    max(`temperature`) AS `temperature_max`,
    avgState(`temperature`) AS `temperature_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`ts`) % 60000), 32), reinterpretAsUInt32(`temperature`))) AS `temperature_last`,
    min(`humidity`) AS `humidity_min`,
    max(`humidity`) AS `humidity_max`,
    avgState(`humidity`) AS `humidity_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`ts`) % 60000), 32), reinterpretAsUInt32(`humidity`))) AS `humidity_last`,
    min(`pressure`) AS `pressure_min`,
    max(`pressure`) AS `pressure_max`,
    avgState(`pressure`) AS `pressure_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`ts`) % 60000), 32), reinterpretAsUInt32(`pressure`))) AS `pressure_last`,
    min(`vibration_x`) AS `vibration_x_min`,
    max(`vibration_x`) AS `vibration_x_max`,
    avgState(`vibration_x`) AS `vibration_x_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`ts`) % 60000), 32), reinterpretAsUInt32(`vibration_x`))) AS `vibration_x_last`,
    min(`vibration_y`) AS `vibration_y_min`,
    max(`vibration_y`) AS `vibration_y_max`,
    avgState(`vibration_y`) AS `vibration_y_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`ts`) % 60000), 32), reinterpretAsUInt32(`vibration_y`))) AS `vibration_y_last`,
    min(`vibration_z`) AS `vibration_z_min`,
    max(`vibration_z`) AS `vibration_z_max`,
    avgState(`vibration_z`) AS `vibration_z_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`ts`) % 60000), 32), reinterpretAsUInt32(`vibration_z`))) AS `vibration_z_last`,
    min(`power`) AS `power_min`,
    max(`power`) AS `power_max`,
    avgState(`power`) AS `power_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`ts`) % 60000), 32), reinterpretAsUInt32(`power`))) AS `power_last`,
    min(`battery`) AS `battery_min`,
    max(`battery`) AS `battery_max`,
    avgState(`battery`) AS `battery_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`ts`) % 60000), 8), reinterpretAsUInt8(`battery`))) AS `battery_last`
FROM `fleet`.`telemetry`
GROUP BY `device_id`, `minute`;

CREATE VIEW IF NOT EXISTS `fleet`.`telemetry_1m` ON CLUSTER `main` AS
SELECT `device_id`, `minute`,
    sum(`events`) AS `events`,
    min(`temperature_min`) AS `temperature_min`,
    max(`temperature_max`) AS `temperature_max`,
    avgMerge(`temperature_avg`) AS `temperature_avg`,
    reinterpretAsFloat32(toUInt32(max(`temperature_last`))) AS `temperature_last`,
    min(`humidity_min`) AS `humidity_min`,
    max(`humidity_max`) AS `humidity_max`,
    avgMerge(`humidity_avg`) AS `humidity_avg`,
    reinterpretAsFloat32(toUInt32(max(`humidity_last`))) AS `humidity_last`,
    min(`pressure_min`) AS `pressure_min`,
    max(`pressure_max`) AS `pressure_max`,
    avgMerge(`pressure_avg`) AS `pressure_avg`,
    reinterpretAsFloat32(toUInt32(max(`pressure_last`))) AS `pressure_last`,
    min(`vibration_x_min`) AS `vibration_x_min`,
    max(`vibration_x_max`) AS `vibration_x_max`,
    avgMerge(`vibration_x_avg`) AS `vibration_x_avg`,
    reinterpretAsFloat32(toUInt32(max(`vibration_x_last`))) AS `vibration_x_last`,
    min(`vibration_y_min`) AS `vibration_y_min`,
    max(`vibration_y_max`) AS `vibration_y_max`,
    avgMerge(`vibration_y_avg`) AS `vibration_y_avg`,
    reinterpretAsFloat32(toUInt32(max(`vibration_y_last`))) AS `vibration_y_last`,
    min(`vibration_z_min`) AS `vibration_z_min`,
    max(`vibration_z_max`) AS `vibration_z_max`,
    avgMerge(`vibration_z_avg`) AS `vibration_z_avg`,
    reinterpretAsFloat32(toUInt32(max(`vibration_z_last`))) AS `vibration_z_last`,
    min(`power_min`) AS `power_min`,
    max(`power_max`) AS `power_max`,
    avgMerge(`power_avg`) AS `power_avg`,
    reinterpretAsFloat32(toUInt32(max(`power_last`))) AS `power_last`,
    min(`battery_min`) AS `battery_min`,
    max(`battery_max`) AS `battery_max`,
    avgMerge(`battery_avg`) AS `battery_avg`,
    reinterpretAsUInt8(toUInt8(max(`battery_last`))) AS `battery_last`
FROM `fleet`.`telemetry_1m_state`
GROUP BY `device_id`, `minute`;
