#!/bin/sh
# Fetches the next part in the background while it works on the last one:
# prefetch.sh LAB_GET SERVER LOG SCRATCH.
get=$1 server=$2 log=$3 scratch=$4
parts=$(awk "BEGIN { print int(24 * ${LAB_SCALE:-1}) + 2 }")
"$get" --print "$server/part/0" >"$scratch/part.0"
for part in $(seq "$parts"); do
  "$get" --print "$server/part/$part" >"$scratch/part.$part" &
  cat "$scratch/part.$((part - 1))" "$log" "$log" | gzip -9 | wc -c
  rm -f "$scratch/part.$((part - 1))"
  wait
done
