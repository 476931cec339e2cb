"""Reads Parquet with one of several readers, and says what it found as text.

NULL is \\N, a number without a fraction is decimal, one with is its bits or nan,
a time is milliseconds since 1970 UTC.
"""
import glob
import json
import math
import os
import struct
import sys

import pyarrow as pa


def as_text(column):
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("ms", kind.tz)).cast(pa.int64())
    if pa.types.is_floating(kind):
        value, bits = ("<f", "<I") if kind == pa.float32() else ("<d", "<Q")

        def one(v):
            return "nan" if math.isnan(v) else str(struct.unpack(bits, struct.pack(value, v))[0])

    elif pa.types.is_boolean(kind):

        def one(v):
            return "true" if v else "false"

    else:
        one = str
    return ["\\N" if v is None else one(v) for v in column.to_pylist()]


def rows(table):
    return [list(row) for row in zip(*(as_text(c) for c in table.columns))]


def duckdb_over_s3(endpoint, access_key, secret_key, region, *extensions):
    """A DuckDB that reaches the bucket, with these extensions. They come from PyPI
    and are loaded by their path, which DuckDB accepts only where none needs a
    signature."""
    import importlib

    import duckdb

    db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("httpfs", *extensions):
        folder = os.path.dirname(importlib.import_module(f"duckdb_extension_{name}").__file__)
        (extension,) = glob.glob(f"{folder}/**/{name}.duckdb_extension", recursive=True)
        db.execute(f"LOAD '{extension}'")
    db.execute(
        f"""CREATE SECRET (TYPE s3, PROVIDER config, KEY_ID '{access_key}', SECRET '{secret_key}', REGION '{region}',
            ENDPOINT '{endpoint.removeprefix("http://")}', URL_STYLE 'path', USE_SSL false)"""
    )
    return db


def main(reader, *files):
    if reader == "duckdb":
        import duckdb

        found = duckdb.execute("SELECT * FROM read_parquet(?, hive_partitioning = false)", [list(files)])
        types = {name: str(kind) for name, kind, *_ in found.description}
        table = found.to_arrow_table()
    elif reader == "pyarrow":
        import pyarrow.parquet as pq

        table = pa.concat_tables(pq.read_table(f, partitioning=None) for f in files)
        types = {f.name: str(f.type) for f in table.schema}
    elif reader == "polars":
        import polars as pl

        frame = pl.concat(pl.read_parquet(f, hive_partitioning=False) for f in files)
        types = {name: str(kind) for name, kind in frame.schema.items()}
        table = frame.to_arrow()
    else:
        sys.exit(f"no reader {reader}")
    print(json.dumps({"types": types, "rows": rows(table)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
