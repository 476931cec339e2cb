"""Takes a file of statements as another engine would, and says what came of it.

With duckdb it runs them over s3:// and asks a query; its arguments are the
query and where the bucket is. With another engine's name it parses them.
"""
import json
import sys

import values

engine, statements, *args = sys.argv[1:]
with open(statements) as f:
    text = f.read()
if engine == "duckdb":
    query, *bucket = args
    db = values.duckdb_over_s3(*bucket)
    db.execute(text)
    print(json.dumps(values.rows(db.execute(query).to_arrow_table())))
else:
    import sqlglot

    # What it has no grammar for it takes as a mere command; that is none of a
    # table or a view.
    parsed = [sqlglot.parse_one(s, dialect=engine) for s in text.split(";\n") if s.strip()]
    print(json.dumps([[type(p).__name__, str(p.args.get("kind") or "")] for p in parsed]))
