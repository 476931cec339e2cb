"""clickhouse-driver against the native interface: HOST PORT USER PASSWORD."""
import datetime
import sys

from clickhouse_driver import Client
from clickhouse_driver.errors import ErrorCodes, ServerException

host, port, user, password = sys.argv[1:]
utc = datetime.timezone.utc


def connect(**options):
    return Client(host=host, port=int(port), user=user, password=password, **options)


rows = [
    (1, "north", None, datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, utc), ["a", "b"], {"k": 1}, 1.5),
    (2, "south", "wet", datetime.datetime(1970, 1, 1, tzinfo=utc), [], {}, -0.25),
    (3, "north", "", datetime.datetime(2100, 12, 31, 23, 59, 59, 999000, utc), ["a"], {"x": 7, "y": 8}, 0.0),
]

for compression in (False, "lz4", "zstd"):
    with connect(compression=compression) as client:
        client.execute("DROP TABLE IF EXISTS from_driver")
        client.execute(
            "CREATE TABLE from_driver (id UInt64, site LowCardinality(String), note LowCardinality(Nullable(String)),"
            " at DateTime64(3, 'UTC'), tags Array(String), marks Map(String, UInt8), level Nullable(Float64))"
            " ENGINE = MergeTree ORDER BY id"
        )
        assert client.execute("INSERT INTO from_driver VALUES", rows) == 3
        assert client.execute("INSERT INTO from_driver (id, site) VALUES", [(4, "east")]) == 1
        got = client.execute("SELECT * FROM from_driver WHERE id < 4 ORDER BY id")
        assert got == rows, got
        assert client.execute("SELECT note, level, tags FROM from_driver WHERE id = 4") == [(None, None, [])]
        assert client.execute("SELECT site FROM from_driver WHERE id = %(id)s", {"id": 2}) == [("south",)]
        got, columns = client.execute("SELECT id, at FROM from_driver WHERE 0", with_column_types=True)
        assert got == [] and columns == [("id", "UInt64"), ("at", "DateTime64(3, 'UTC')")], columns
        assert client.execute("SELECT getSetting('max_threads')", settings={"max_threads": 3}) == [(3,)]
        assert client.execute("SELECT getSetting('max_threads') = 3") == [(0,)]
        try:
            client.execute("SELECT * FROM nowhere")
            raise SystemExit("no exception")
        except ServerException as e:
            assert e.code == ErrorCodes.UNKNOWN_TABLE and "nowhere" in e.message, e
        try:
            client.execute("INSERT INTO from_driver (nope) VALUES", [(1,)])
            raise SystemExit("no exception")
        except ServerException as e:
            assert e.code == ErrorCodes.NO_SUCH_COLUMN_IN_TABLE, e
        # The connection has survived both.
        assert client.execute("SELECT count() FROM from_driver") == [(4,)]

with connect(compression="lz4") as client:
    n = total = 0
    for (v, s) in client.execute_iter("SELECT number, toString(number % 10) FROM numbers(5000000)", settings={"max_block_size": 100000}):
        n, total = n + 1, total + v
    assert (n, total) == (5000000, 5000000 * 4999999 // 2), (n, total)

    rest = client.execute_iter("SELECT number FROM numbers(1000000000)")
    next(rest)
    client.cancel()
    client.disconnect()
    assert client.execute("SELECT 1") == [(1,)]

try:
    Client(host=host, port=int(port), user=user, password="wrong").execute("SELECT 1")
    raise SystemExit("no exception")
except ServerException as e:
    assert e.code == 516, e

with connect(database="system") as client:
    assert client.execute("SELECT currentDatabase(), (SELECT count() > 0 FROM tables)") == [("system", 1)]
print("ok")
