#!/bin/sh
# Compresses logs, as many at a time as there are cores: xargs_gzip.sh LOGS.
logs=$1
rounds=$(awk "BEGIN { print int(8 * ${LAB_SCALE:-1}) + 1 }")
for round in $(seq "$rounds"); do
  ls "$logs"/*.log
done | xargs -P "$(nproc)" -I FILE gzip -9 -c FILE >/dev/null
