#!/bin/sh
# Fetches the tiles of a map, three at a time: fetch_tiles.sh LAB-GET SERVER.
get=$1 server=$2
side=$(awk "BEGIN { print int(8 * sqrt(${LAB_SCALE:-1})) + 1 }")
for row in $(seq "$side"); do
  for column in $(seq "$side"); do
    echo "$server/tile/12/$row/$column.png"
  done
done | xargs -n 1 -P 3 "$get" >/dev/null
