#!/bin/sh
# Compresses every log at once, each in the background: gzip_all.sh LOGS.
logs=$1
rounds=$(awk "BEGIN { print int(8 * ${LAB_SCALE:-1}) + 1 }")
for round in $(seq "$rounds"); do
  for log in "$logs"/*.log; do
    gzip -9 -c "$log" >/dev/null &
  done
  wait
done
