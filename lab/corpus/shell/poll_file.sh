#!/bin/sh
# Waits until a file is there, and looks five times a second: poll_file.sh SCRATCH.
file=$1/done
looks=$(awk "BEGIN { print int(16 * ${LAB_SCALE:-1}) + 1 }")
until [ -e "$file" ] || [ "$looks" -eq 0 ]; do
  sleep 0.2
  looks=$((looks - 1))
done
