"""Reads the cold tier as an analyst would: DuckDB over s3://.

Its argument is a JSON object with endpoint, region, access_key, secret_key and
files; what it finds is printed as another one.
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
rows, devices, seqs = db.execute(
    "SELECT count(*), count(DISTINCT device_id), sum(seq) FROM read_parquet(?)", [want["files"]]
).fetchone()
print(json.dumps({"rows": rows, "devices": devices, "seqs": int(seqs or 0)}))
