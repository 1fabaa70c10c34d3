#!/bin/sh
# Counts which addresses ask for what in a log: word_count.sh LOGS.
logs=$1
rounds=$(awk "BEGIN { print int(60 * ${LAB_SCALE:-1}) + 1 }")
for round in $(seq "$rounds"); do
  awk '{ split($7, part, "[/?=]"); count[$1 " " part[3]]++; bytes[$9] += $10 }
    END { for (key in count) total += count[key]; print total }' "$logs"/*.log
done
