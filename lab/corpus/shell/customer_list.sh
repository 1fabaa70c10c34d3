#!/bin/sh
# Turns a list of customers into labels; each field of each line is cut out by processes of its own:
# customer_list.sh SCRATCH.
scratch=$1
lines=$(awk "BEGIN { print int(600 * ${LAB_SCALE:-1}) + 2 }")
awk -v lines="$lines" 'BEGIN {
  for (n = 1; n <= lines; n++) printf "%d;customer %d;%05d;town %d\n", n, n * 7, n * 13, n % 40
}' >"$scratch/customers.csv"

while read -r line; do
  name=$(echo "$line" | cut -d ';' -f 2 | tr '[:lower:]' '[:upper:]')
  code=$(echo "$line" | cut -d ';' -f 3)
  town=$(echo "$line" | cut -d ';' -f 4)
  echo "$name, $code $town"
done <"$scratch/customers.csv" >"$scratch/labels.txt"
tail -n 1 "$scratch/labels.txt"
