"""Reads Parquet files of several schema versions as one table, as analysts do.

Its arguments are the reader and the files; what it finds is printed as a JSON
object. ids are the field ids of the new columns, as the files have them.
"""
import json
import sys

reader, files = sys.argv[1], sys.argv[2:]
ids = {}
if reader == "duckdb":
    import duckdb

    rows, noise, fan, doors = duckdb.execute(
        "SELECT count(*), sum(noise_db), sum(fan_rpm), count(nullif(door_state, '')) FROM read_parquet(?, union_by_name = true)",
        [files],
    ).fetchone()
elif reader == "pyarrow":
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    schemas = [pq.read_schema(f) for f in files]
    for schema in schemas:
        for field in schema:
            got = int(field.metadata[b"PARQUET:field_id"])
            if ids.setdefault(field.name, got) != got:
                sys.exit(f"{field.name} has the field ids {ids[field.name]} and {got}")
    ids = {name: ids[name] for name in ("noise_db", "fan_rpm", "door_state")}
    plain = [s.remove_metadata() for s in schemas]
    table = ds.dataset(files, schema=pa.unify_schemas(plain)).to_table()
    rows = table.num_rows
    noise = pc.sum(table["noise_db"]).as_py()
    fan = pc.sum(table["fan_rpm"]).as_py()
    doors = sum(1 for d in table["door_state"].to_pylist() if d)
elif reader == "polars":
    import polars as pl

    table = pl.concat([pl.scan_parquet(f) for f in files], how="diagonal").collect()
    rows = table.height
    noise, fan = table["noise_db"].sum(), table["fan_rpm"].cast(pl.Int64).sum()
    doors = table.filter(pl.col("door_state").fill_null("") != "").height
else:
    sys.exit(f"no reader {reader}")
print(json.dumps({"rows": rows, "noise": noise, "fan": int(fan), "doors": doors, "ids": ids}))
