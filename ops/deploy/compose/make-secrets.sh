#!/bin/sh
# Makes up a secret for each name that has none. They are readable to the users of
# all containers that mount the volume, which are those that need one of them.
set -eu
for name in admin ingest migrate watch compactor analyst auditor replayer eraser s3 grafana; do
  [ -s "/secrets/$name" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' > "/secrets/$name"
  chmod 0444 "/secrets/$name"
done
