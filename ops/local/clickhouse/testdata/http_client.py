"""clickhouse-connect against the HTTP interface: HOST PORT USER PASSWORD."""
import datetime
import sys

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

host, port, user, password = sys.argv[1:]
utc = datetime.timezone.utc


def connect(**options):
    return clickhouse_connect.get_client(host=host, port=int(port), username=user, password=password, **options)


rows = [
    [1, "north", None, datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, utc), ["a", "b"], {"k": 1}, 1.5],
    [2, "south", "wet", datetime.datetime(1970, 1, 1, tzinfo=utc), [], {}, -0.25],
    [3, "north", "", datetime.datetime(2100, 12, 31, 23, 59, 59, 999000, utc), ["a"], {"x": 7, "y": 8}, 0.0],
]
names = ["id", "site", "note", "at", "tags", "marks", "level"]

for compress in (False, "lz4", "zstd", "gzip"):
    client = connect(compress=compress, tz_mode="aware")
    client.command("DROP TABLE IF EXISTS from_connect")
    client.command(
        "CREATE TABLE from_connect (id UInt64, site LowCardinality(String), note LowCardinality(Nullable(String)),"
        " at DateTime64(3, 'UTC'), tags Array(String), marks Map(String, UInt8), level Nullable(Float64))"
        " ENGINE = MergeTree ORDER BY id"
    )
    assert client.insert("from_connect", rows, column_names=names).written_rows == 3
    got = client.query("SELECT * FROM from_connect ORDER BY id")
    assert [list(r) for r in got.result_rows] == rows, got.result_rows
    assert got.column_names == tuple(names)
    got = client.query("SELECT site FROM from_connect WHERE id = {id:UInt64}", parameters={"id": 2})
    assert got.result_rows == [("south",)], got.result_rows
    assert client.query("SELECT id FROM from_connect WHERE 0").result_rows == []
    assert client.command("SELECT getSetting('max_threads')", settings={"max_threads": 3}) == 3
    try:
        client.query("SELECT * FROM nowhere")
        raise SystemExit("no exception")
    except DatabaseError as e:
        assert "UNKNOWN_TABLE" in str(e), e
    client.raw_insert("from_connect", ["id", "site"], b"4\teast\n", fmt="TSV")
    assert client.command("SELECT count() FROM from_connect") == 4

    client.close()

client = connect(compress="lz4")
n = total = 0
with client.query_row_block_stream("SELECT number, toString(number % 10) FROM numbers(5000000)") as stream:
    for block in stream:
        n, total = n + len(block), total + sum(r[0] for r in block)
assert (n, total) == (5000000, 5000000 * 4999999 // 2), (n, total)

try:
    clickhouse_connect.get_client(host=host, port=int(port), username=user, password="wrong")
    raise SystemExit("no exception")
except DatabaseError as e:
    assert "516" in str(e), e
print("ok")
