"""Reads a table of Apache Iceberg by its catalog, an SQLite file, as analysts do.

Its arguments are the reader, the catalog, the table, its columns and where the
bucket is; what it finds is printed as values.py has it.
"""
import json
import sys

import values
from pyiceberg.catalog.sql import SqlCatalog

reader, catalog, name, columns, endpoint, access_key, secret_key, region = sys.argv[1:]
columns = columns.split(",")
table = SqlCatalog(
    "penstock",
    **{
        "uri": f"sqlite:///{catalog}",
        "s3.endpoint": endpoint,
        "s3.access-key-id": access_key,
        "s3.secret-access-key": secret_key,
        "s3.region": region,
    },
).load_table(name)
if reader == "pyiceberg":
    found = table.scan().to_arrow().select(columns)
else:
    db = values.duckdb_over_s3(endpoint, access_key, secret_key, region, "avro", "iceberg")
    listed = ", ".join(f'"{c}"' for c in columns)
    found = db.execute(f"SELECT {listed} FROM iceberg_scan('{table.metadata_location}')").to_arrow_table()
print(json.dumps(values.rows(found)))
