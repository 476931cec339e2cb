CREATE TABLE IF NOT EXISTS `fleet`.`every_type` ON CLUSTER `main`
(
    `device` String COMMENT '',
    `seq` UInt64 COMMENT '',
    `at` DateTime64(3, 'UTC') COMMENT '',
    `str` String COMMENT '',
    `str_null` Nullable(String) COMMENT '',
    `dict` LowCardinality(String) COMMENT '',
    `yes` Bool COMMENT '',
    `yes_null` Nullable(Bool) COMMENT '',
    `i8` Int8 COMMENT '',
    `i16` Nullable(Int16) COMMENT '',
    `i32` Int32 COMMENT '',
    `i64` Nullable(Int64) COMMENT '',
    `u8` Nullable(UInt8) COMMENT '',
    `u16` UInt16 COMMENT '',
    `u32` Nullable(UInt32) COMMENT '',
    `u64` UInt64 COMMENT '',
    `f32` Nullable(Float32) COMMENT '',
    `f64` Float64 COMMENT '',
    `time` DateTime64(3, 'UTC') COMMENT '',
    `late` Nullable(DateTime64(3, 'UTC')) DEFAULT multiIf(JSONType(extra, 'late') = 'Int64', fromUnixTimestamp64Milli(assumeNotNull(JSONExtract(extra, 'late', 'Nullable(Int64)')), 'UTC'), JSONType(extra, 'late') = 'String' AND match(assumeNotNull(JSONExtract(extra, 'late', 'Nullable(String)')), '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$'), parseDateTime64BestEffortOrNull(assumeNotNull(JSONExtract(extra, 'late', 'Nullable(String)')), 3, 'UTC'), JSONType(extra, '20') = 'Object', fromUnixTimestamp64Milli(reinterpretAsInt64(coalesce(JSONExtract(extra, '20', 'varint', -1, 'Nullable(UInt64)'), JSONExtract(extra, '20', 'varint', 'Nullable(UInt64)'))), 'UTC'), NULL) COMMENT 'Isn\'t always there; a \\ and a `. [ms]',
    `extra` String COMMENT 'Fields the schema does not know, and values that do not fit their column, as a JSON object; empty if none.',
    `_topic` LowCardinality(String) COMMENT 'Kafka topic the event came from.',
    `_partition` Int32 COMMENT 'Kafka partition.',
    `_offset` Int64 COMMENT 'Kafka offset: with topic, partition and index, where the event came from.' CODEC(Delta, ZSTD(1)),
    `_ingested_at` DateTime64(3, 'UTC') COMMENT 'Kafka\'s timestamp of the record.' CODEC(Delta, ZSTD(1)),
    `_index` UInt16 COMMENT 'Which of its record\'s events this is, from 0 on; 0 where a record is one event.',
    PROJECTION receipts (SELECT `_partition`, `_offset`, `_index`, `_ingested_at`, `at`, xxHash64(`device`), `seq` ORDER BY `_partition`, `_offset`)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/every_type', '{replica}')
PARTITION BY toDate(`at`)
ORDER BY (`device`, `at`)
SETTINGS replicated_deduplication_window = 10000,
    merge_selector_base = 20,
    min_level_for_wide_part = 1,
    auto_statistics_types = '',
    default_compression_codec = 'ZSTD(1)';

CREATE TABLE IF NOT EXISTS `fleet`.`every_type_sealed` ON CLUSTER `main`
(
    `device` String COMMENT '',
    `seq` UInt64 COMMENT '',
    `at` DateTime64(3, 'UTC') COMMENT '',
    `str` String COMMENT '',
    `str_null` Nullable(String) COMMENT '',
    `dict` LowCardinality(String) COMMENT '',
    `yes` Bool COMMENT '',
    `yes_null` Nullable(Bool) COMMENT '',
    `i8` Int8 COMMENT '',
    `i16` Nullable(Int16) COMMENT '',
    `i32` Int32 COMMENT '',
    `i64` Nullable(Int64) COMMENT '',
    `u8` Nullable(UInt8) COMMENT '',
    `u16` UInt16 COMMENT '',
    `u32` Nullable(UInt32) COMMENT '',
    `u64` UInt64 COMMENT '',
    `f32` Nullable(Float32) COMMENT '',
    `f64` Float64 COMMENT '',
    `time` DateTime64(3, 'UTC') COMMENT '',
    `late` Nullable(DateTime64(3, 'UTC')) DEFAULT multiIf(JSONType(extra, 'late') = 'Int64', fromUnixTimestamp64Milli(assumeNotNull(JSONExtract(extra, 'late', 'Nullable(Int64)')), 'UTC'), JSONType(extra, 'late') = 'String' AND match(assumeNotNull(JSONExtract(extra, 'late', 'Nullable(String)')), '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$'), parseDateTime64BestEffortOrNull(assumeNotNull(JSONExtract(extra, 'late', 'Nullable(String)')), 3, 'UTC'), JSONType(extra, '20') = 'Object', fromUnixTimestamp64Milli(reinterpretAsInt64(coalesce(JSONExtract(extra, '20', 'varint', -1, 'Nullable(UInt64)'), JSONExtract(extra, '20', 'varint', 'Nullable(UInt64)'))), 'UTC'), NULL) COMMENT 'Isn\'t always there; a \\ and a `. [ms]',
    `extra` String COMMENT 'Fields the schema does not know, and values that do not fit their column, as a JSON object; empty if none.',
    `_topic` LowCardinality(String) COMMENT 'Kafka topic the event came from.',
    `_partition` Int32 COMMENT 'Kafka partition.',
    `_offset` Int64 COMMENT 'Kafka offset: with topic, partition and index, where the event came from.' CODEC(Delta, ZSTD(1)),
    `_ingested_at` DateTime64(3, 'UTC') COMMENT 'Kafka\'s timestamp of the record.' CODEC(Delta, ZSTD(1)),
    `_index` UInt16 COMMENT 'Which of its record\'s events this is, from 0 on; 0 where a record is one event.',
    PROJECTION receipts (SELECT `_partition`, `_offset`, `_index`, `_ingested_at`, `at`, xxHash64(`device`), `seq` ORDER BY `_partition`, `_offset`)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/every_type_sealed', '{replica}')
PARTITION BY toDate(`at`)
ORDER BY (`device`, `at`)
SETTINGS replicated_deduplication_window = 10000,
    merge_selector_base = 20,
    min_level_for_wide_part = 1,
    auto_statistics_types = '',
    default_compression_codec = 'ZSTD(1)';

CREATE VIEW IF NOT EXISTS `fleet`.`every_type_all` ON CLUSTER `main` AS
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at`, `_index`, toDate(`at`) AS `_day` FROM `fleet`.`every_type`
UNION ALL
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at`, `_index`, toDate(`at`) AS `_day` FROM `fleet`.`every_type_sealed`
COMMENT '{"schema_version":2,"cold":{}}';

CREATE TABLE IF NOT EXISTS `fleet`.`every_type_schema` ON CLUSTER `main`
(
    version UInt32 COMMENT 'Version of the schema',
    state LowCardinality(String) COMMENT 'accepted: decided; ready: every table has its columns',
    text String COMMENT 'The schema file',
    at DateTime64(3, 'UTC') COMMENT 'When it came to this state',
    by String COMMENT 'Who brought it there'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/every_type_schema', '{replica}')
ORDER BY (version, state)
SETTINGS replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS `fleet`.`every_type_1m_state` ON CLUSTER `main`
(
    `device` String,
    `minute` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `events` SimpleAggregateFunction(sum, UInt64),
    `f32_min` SimpleAggregateFunction(min, Nullable(Float32)),
    `f32_max` SimpleAggregateFunction(max, Nullable(Float32)),
    `f32_avg` AggregateFunction(avg, Nullable(Float32)),
    `f32_last` SimpleAggregateFunction(max, Nullable(UInt64))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/every_type_1m_state', '{replica}')
PARTITION BY toDate(`minute`)
ORDER BY (`device`, `minute`)
SETTINGS replicated_deduplication_window = 10000,
    merge_selector_base = 20,
    min_level_for_wide_part = 1,
    auto_statistics_types = '',
    default_compression_codec = 'ZSTD(1)';

CREATE MATERIALIZED VIEW IF NOT EXISTS `fleet`.`every_type_1m_feed` ON CLUSTER `main` TO `fleet`.`every_type_1m_state` AS
SELECT `device`, toStartOfMinute(toDateTime(`at`, 'UTC')) AS `minute`,
    count() AS `events`,
    min(`f32`) AS `f32_min`,
    max(`f32`) AS `f32_max`,
    avgState(`f32`) AS `f32_avg`,
    max(bitOr(bitShiftLeft(toUInt64(toUnixTimestamp64Milli(`at`) % 60000), 32), reinterpretAsUInt32(`f32`))) AS `f32_last`
FROM `fleet`.`every_type`
GROUP BY `device`, `minute`;

CREATE VIEW IF NOT EXISTS `fleet`.`every_type_1m` ON CLUSTER `main` AS
SELECT `device`, `minute`,
    sum(`events`) AS `events`,
    min(`f32_min`) AS `f32_min`,
    max(`f32_max`) AS `f32_max`,
    avgMerge(`f32_avg`) AS `f32_avg`,
    reinterpretAsFloat32(toUInt32(max(`f32_last`))) AS `f32_last`
FROM `fleet`.`every_type_1m_state`
GROUP BY `device`, `minute`;

CREATE TABLE IF NOT EXISTS `fleet`.`every_type_1h_dict_state` ON CLUSTER `main`
(
    `dict` LowCardinality(String),
    `hour` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `events` SimpleAggregateFunction(sum, UInt64),
    `f32_sum` SimpleAggregateFunction(sum, Nullable(Float64)),
    `f32_avg` AggregateFunction(avg, Nullable(Float32)),
    `f32_quantiles` AggregateFunction(quantilesTDigest(0.5, 0.999), Nullable(Float32)),
    `u8_sum` SimpleAggregateFunction(sum, Nullable(UInt64)),
    `u8_avg` AggregateFunction(avg, Nullable(UInt8)),
    `u8_quantiles` AggregateFunction(quantilesTDigest(0.5, 0.999), Nullable(UInt8)),
    `i64_sum` SimpleAggregateFunction(sum, Nullable(Int64)),
    `i64_avg` AggregateFunction(avg, Nullable(Int64)),
    `i64_quantiles` AggregateFunction(quantilesTDigest(0.5, 0.999), Nullable(Int64)),
    `i32_sum` SimpleAggregateFunction(sum, Int64),
    `i32_avg` AggregateFunction(avg, Int32),
    `i32_quantiles` AggregateFunction(quantilesTDigest(0.5, 0.999), Int32),
    `u16_sum` SimpleAggregateFunction(sum, UInt64),
    `u16_avg` AggregateFunction(avg, UInt16),
    `u16_quantiles` AggregateFunction(quantilesTDigest(0.5, 0.999), UInt16)
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/every_type_1h_dict_state', '{replica}')
PARTITION BY toDate(`hour`)
ORDER BY (`dict`, `hour`)
TTL `hour` + toIntervalDay(400)
SETTINGS replicated_deduplication_window = 10000,
    merge_selector_base = 20,
    min_level_for_wide_part = 1,
    auto_statistics_types = '',
    default_compression_codec = 'ZSTD(1)',
    ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS `fleet`.`every_type_1h_dict_feed` ON CLUSTER `main` TO `fleet`.`every_type_1h_dict_state` AS
SELECT `dict`, toStartOfHour(toDateTime(`at`, 'UTC')) AS `hour`,
    count() AS `events`,
    sum(`f32`) AS `f32_sum`,
    avgState(`f32`) AS `f32_avg`,
    quantilesTDigestState(0.5, 0.999)(`f32`) AS `f32_quantiles`,
    sum(`u8`) AS `u8_sum`,
    avgState(`u8`) AS `u8_avg`,
    quantilesTDigestState(0.5, 0.999)(`u8`) AS `u8_quantiles`,
    sum(`i64`) AS `i64_sum`,
    avgState(`i64`) AS `i64_avg`,
    quantilesTDigestState(0.5, 0.999)(`i64`) AS `i64_quantiles`,
    sum(`i32`) AS `i32_sum`,
    avgState(`i32`) AS `i32_avg`,
    quantilesTDigestState(0.5, 0.999)(`i32`) AS `i32_quantiles`,
    sum(`u16`) AS `u16_sum`,
    avgState(`u16`) AS `u16_avg`,
    quantilesTDigestState(0.5, 0.999)(`u16`) AS `u16_quantiles`
FROM `fleet`.`every_type`
GROUP BY `dict`, `hour`;

CREATE VIEW IF NOT EXISTS `fleet`.`every_type_1h_dict` ON CLUSTER `main` AS
SELECT `dict`, `hour`,
    sum(`events`) AS `events`,
    sum(`f32_sum`) AS `f32_sum`,
    avgMerge(`f32_avg`) AS `f32_avg`,
    quantilesTDigestMerge(0.5, 0.999)(`f32_quantiles`)[1] AS `f32_p50`,
    quantilesTDigestMerge(0.5, 0.999)(`f32_quantiles`)[2] AS `f32_p99_9`,
    sum(`u8_sum`) AS `u8_sum`,
    avgMerge(`u8_avg`) AS `u8_avg`,
    quantilesTDigestMerge(0.5, 0.999)(`u8_quantiles`)[1] AS `u8_p50`,
    quantilesTDigestMerge(0.5, 0.999)(`u8_quantiles`)[2] AS `u8_p99_9`,
    sum(`i64_sum`) AS `i64_sum`,
    avgMerge(`i64_avg`) AS `i64_avg`,
    quantilesTDigestMerge(0.5, 0.999)(`i64_quantiles`)[1] AS `i64_p50`,
    quantilesTDigestMerge(0.5, 0.999)(`i64_quantiles`)[2] AS `i64_p99_9`,
    sum(`i32_sum`) AS `i32_sum`,
    avgMerge(`i32_avg`) AS `i32_avg`,
    quantilesTDigestMerge(0.5, 0.999)(`i32_quantiles`)[1] AS `i32_p50`,
    quantilesTDigestMerge(0.5, 0.999)(`i32_quantiles`)[2] AS `i32_p99_9`,
    sum(`u16_sum`) AS `u16_sum`,
    avgMerge(`u16_avg`) AS `u16_avg`,
    quantilesTDigestMerge(0.5, 0.999)(`u16_quantiles`)[1] AS `u16_p50`,
    quantilesTDigestMerge(0.5, 0.999)(`u16_quantiles`)[2] AS `u16_p99_9`
FROM `fleet`.`every_type_1h_dict_state`
GROUP BY `dict`, `hour`;

CREATE TABLE IF NOT EXISTS `fleet`.`every_type_daily_state` ON CLUSTER `main`
(
    `device` String,
    `day` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `events` SimpleAggregateFunction(sum, UInt64),
    `f64_last` SimpleAggregateFunction(max, UInt128)
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/every_type_daily_state', '{replica}')
PARTITION BY toDate(`day`)
ORDER BY (`device`, `day`)
SETTINGS replicated_deduplication_window = 10000,
    merge_selector_base = 20,
    min_level_for_wide_part = 1,
    auto_statistics_types = '',
    default_compression_codec = 'ZSTD(1)';

CREATE MATERIALIZED VIEW IF NOT EXISTS `fleet`.`every_type_daily_feed` ON CLUSTER `main` TO `fleet`.`every_type_daily_state` AS
SELECT `device`, toStartOfDay(toDateTime(`at`, 'UTC')) AS `day`,
    count() AS `events`,
    max(bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Milli(`at`) % 86400000), 64), reinterpretAsUInt64(`f64`))) AS `f64_last`
FROM `fleet`.`every_type`
GROUP BY `device`, `day`;

CREATE VIEW IF NOT EXISTS `fleet`.`every_type_daily` ON CLUSTER `main` AS
SELECT `device`, `day`,
    sum(`events`) AS `events`,
    reinterpretAsFloat64(toUInt64(max(`f64_last`))) AS `f64_last`
FROM `fleet`.`every_type_daily_state`
GROUP BY `device`, `day`;
