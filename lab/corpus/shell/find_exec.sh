#!/bin/sh
# The checksum of each of many small files, a process for each: find_exec.sh SMALL.
small=$1
folders=$(awk "BEGIN { print int(30 * ${LAB_SCALE:-1}) + 1 }")
# shellcheck disable=SC2012,SC2046
find $(ls -d "$small"/* | head -n "$folders") -name '*.txt' -exec md5sum {} ';'
