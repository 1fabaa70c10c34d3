#!/bin/sh
# Compresses logs with one gzip: gzip_one.sh LOGS.
logs=$1
rounds=$(awk "BEGIN { print int(4 * ${LAB_SCALE:-1}) + 1 }")
set --
for round in $(seq "$rounds"); do
  set -- "$@" "$logs"/*.log
done
gzip -9 -c "$@" >/dev/null
