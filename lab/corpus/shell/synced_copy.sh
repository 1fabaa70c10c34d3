#!/bin/sh
# Copies a file block by block, each one safe before the next: synced_copy.sh FILE SCRATCH.
file=$1 scratch=$2
blocks=$(awk "BEGIN { print int(14000 * ${LAB_SCALE:-1}) + 5 }")
dd if="$file" of="$scratch/copy" bs=4k count="$blocks" oflag=dsync status=none
rm -f "$scratch/copy"
