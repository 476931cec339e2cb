#!/bin/bash
# The accounts and their rights, as the server's own image runs what is in its folder
# for the first start. Rights on tables may be given before the tables are there.
set -euo pipefail
script=$(cat /rights/accounts.sql)
for account in ingest migrate watch compactor analyst auditor replayer eraser; do
  script=${script//"<$account password>"/$(cat "/secrets/$account")}
done
clickhouse-client --multiquery <<< "$script"
for rights in /rights/*.sql; do
  [ "$rights" = /rights/accounts.sql ] || clickhouse-client --multiquery < "$rights"
done
