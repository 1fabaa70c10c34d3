#!/bin/sh
# Compresses logs, fourteen at a time: gzip_fourteen.sh LOGS.
logs=$1
rounds=$(awk "BEGIN { print int(8 * ${LAB_SCALE:-1}) + 1 }")
# shellcheck disable=SC2016
for round in $(seq "$rounds"); do
  find "$logs" -name '*.log'
done | xargs -P 14 -I FILE sh -c 'gzip -9 <"$1" >/dev/null' sh FILE
