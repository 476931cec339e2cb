"""Writes the rows of some Parquet files on S3 to a local one, as DuckDB does by itself.

Its argument is a JSON object with endpoint, region, access_key, secret_key, files and to.
"""
import glob
import json
import os
import sys

import duckdb
import duckdb_extension_httpfs

want = json.loads(sys.argv[1])
folder = os.path.dirname(duckdb_extension_httpfs.__file__)
(httpfs,) = glob.glob(f"{folder}/**/httpfs.duckdb_extension", recursive=True)

# The extension's file comes from PyPI and is loaded by its path: DuckDB accepts
# that only for extensions that need no signature.
db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
db.execute(f"LOAD '{httpfs}'")
db.execute(
    f"""CREATE SECRET (TYPE s3, PROVIDER config, KEY_ID '{want["access_key"]}', SECRET '{want["secret_key"]}',
        REGION '{want["region"]}', ENDPOINT '{want["endpoint"].removeprefix("http://")}', URL_STYLE 'path', USE_SSL false)"""
)
files = ", ".join(f"'{f}'" for f in want["files"])
db.execute(f"""COPY (SELECT * FROM read_parquet([{files}])) TO '{want["to"]}' (FORMAT parquet, COMPRESSION zstd)""")
