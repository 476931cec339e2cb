CREATE OR REPLACE VIEW `default`.`every_type_all` AS
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at` FROM `default`.`every_type`
UNION ALL
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at` FROM `default`.`every_type_sealed`
WHERE toDate(`at`) NOT IN ('2026-10-26')
UNION ALL
SELECT CAST(`device`, 'String') AS `device`, CAST(`seq`, 'UInt64') AS `seq`, CAST(`at`, 'DateTime64(3, \'UTC\')') AS `at`, CAST(`str`, 'String') AS `str`, CAST(`str_null`, 'Nullable(String)') AS `str_null`, CAST(`dict`, 'LowCardinality(String)') AS `dict`, CAST(`yes`, 'Bool') AS `yes`, CAST(`yes_null`, 'Nullable(Bool)') AS `yes_null`, CAST(`i8`, 'Int8') AS `i8`, CAST(`i16`, 'Nullable(Int16)') AS `i16`, CAST(`i32`, 'Int32') AS `i32`, CAST(`i64`, 'Nullable(Int64)') AS `i64`, CAST(`u8`, 'Nullable(UInt8)') AS `u8`, CAST(`u16`, 'UInt16') AS `u16`, CAST(`u32`, 'Nullable(UInt32)') AS `u32`, CAST(`u64`, 'UInt64') AS `u64`, CAST(`f32`, 'Nullable(Float32)') AS `f32`, CAST(`f64`, 'Float64') AS `f64`, CAST(`time`, 'DateTime64(3, \'UTC\')') AS `time`, CAST(`late`, 'Nullable(DateTime64(3, \'UTC\'))') AS `late`, CAST(`extra`, 'String') AS `extra`, CAST(`_topic`, 'LowCardinality(String)') AS `_topic`, CAST(`_partition`, 'Int32') AS `_partition`, CAST(`_offset`, 'Int64') AS `_offset`, CAST(`_ingested_at`, 'DateTime64(3, \'UTC\')') AS `_ingested_at` FROM s3('http://s3/cold/day=2026-10-26/*.parquet');

CREATE OR REPLACE VIEW `fleet`.`every_type_all` ON CLUSTER `main` AS
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at` FROM `fleet`.`every_type`
UNION ALL
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at` FROM `fleet`.`every_type_sealed`
WHERE toDate(`at`) NOT IN ('2026-10-26', '2026-10-27')
UNION ALL
SELECT CAST(`device`, 'String') AS `device`, CAST(`seq`, 'UInt64') AS `seq`, CAST(`at`, 'DateTime64(3, \'UTC\')') AS `at`, CAST(`str`, 'String') AS `str`, CAST(`str_null`, 'Nullable(String)') AS `str_null`, CAST(`dict`, 'LowCardinality(String)') AS `dict`, CAST(`yes`, 'Bool') AS `yes`, CAST(`yes_null`, 'Nullable(Bool)') AS `yes_null`, CAST(`i8`, 'Int8') AS `i8`, CAST(`i16`, 'Nullable(Int16)') AS `i16`, CAST(`i32`, 'Int32') AS `i32`, CAST(`i64`, 'Nullable(Int64)') AS `i64`, CAST(`u8`, 'Nullable(UInt8)') AS `u8`, CAST(`u16`, 'UInt16') AS `u16`, CAST(`u32`, 'Nullable(UInt32)') AS `u32`, CAST(`u64`, 'UInt64') AS `u64`, CAST(`f32`, 'Nullable(Float32)') AS `f32`, CAST(`f64`, 'Float64') AS `f64`, CAST(`time`, 'DateTime64(3, \'UTC\')') AS `time`, CAST(`late`, 'Nullable(DateTime64(3, \'UTC\'))') AS `late`, CAST(`extra`, 'String') AS `extra`, CAST(`_topic`, 'LowCardinality(String)') AS `_topic`, CAST(`_partition`, 'Int32') AS `_partition`, CAST(`_offset`, 'Int64') AS `_offset`, CAST(`_ingested_at`, 'DateTime64(3, \'UTC\')') AS `_ingested_at` FROM s3('http://s3/cold/*/*.parquet');

CREATE OR REPLACE VIEW `default`.`every_type_all` AS
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at` FROM `default`.`every_type`
UNION ALL
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at` FROM `default`.`every_type_sealed`
WHERE toDate(`at`) NOT IN ('2026-10-26', '2026-10-27');

CREATE OR REPLACE VIEW `fleet`.`every_type_all` ON CLUSTER `main` AS
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at` FROM `fleet`.`every_type`
UNION ALL
SELECT `device`, `seq`, `at`, `str`, `str_null`, `dict`, `yes`, `yes_null`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`, `f32`, `f64`, `time`, `late`, `extra`, `_topic`, `_partition`, `_offset`, `_ingested_at` FROM `fleet`.`every_type_sealed`
WHERE toDate(`at`) NOT IN ('2026-10-26', '2026-10-27')
  AND (toDate(`at`) != '2026-10-27' OR 1 NOT IN (SELECT 1 FROM `fleet`.`every_type` WHERE toDate(`at`) = '2026-10-27' AND `_partition` = 3 AND `_offset` = 1234 AND `_topic` = 'it\'s'));
