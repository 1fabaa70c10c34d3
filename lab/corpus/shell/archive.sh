#!/bin/sh
# Packs the logs into an archive, well compressed: archive.sh LOGS.
logs=$1
count=$(awk "BEGIN { n = int(4 * ${LAB_SCALE:-1}); print n < 1 ? 1 : n }")
# shellcheck disable=SC2012
tar -C "$logs" -cf - $(ls "$logs" | head -n "$count") | xz -6 -T1 | wc -c
