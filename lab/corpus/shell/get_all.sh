#!/bin/sh
# Fetches all pages at once, from a server that does two at a time: get_all.sh LAB_GET SERVER.
get=$1 server=$2
pages=$(awk "BEGIN { print int(56 * ${LAB_SCALE:-1}) + 2 }")
seq "$pages" | xargs -P 100 -I N "$get" "$server/page/N"
