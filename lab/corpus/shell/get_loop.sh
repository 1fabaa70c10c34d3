#!/bin/sh
# Fetches pages one after another: get_loop.sh LAB_GET SERVER [WORKERS, then with xargs -P].
get=$1 server=$2 workers=${3:-}
pages=$(awk "BEGIN { print int(60 * ${LAB_SCALE:-1}) + 2 }")
if [ -n "$workers" ]; then
  seq "$pages" | xargs -P "$workers" -I N "$get" "$server/page/N"
else
  for page in $(seq "$pages"); do
    "$get" "$server/page/$page"
  done
fi
