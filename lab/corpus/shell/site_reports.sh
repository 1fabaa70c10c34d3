#!/bin/sh
# Reports of two web sites, one behind the other network for network, both sites at a time:
# site_reports.sh LOGS SCRATCH. The shop has five times as many logs as the intranet.
logs=$1 scratch=$2
rounds=$(awk "BEGIN { print int(80 * ${LAB_SCALE:-1}) + 1 }")

report() {
  site=$1 network=$2
  shift 2
  awk -v network="^10[.]0[.]$network[.]" '
    $1 ~ network {
      split($7, parts, "[/?=]")
      hits[parts[4]]++
      bytes[parts[4]] += $10
      if ($9 >= 400) failed[$1]++
    }
    END {
      for (item in hits) if (hits[item] > top) { top = hits[item]; best = item }
      for (client in failed) clients++
      print best, top, bytes[best], clients + 0
    }
  ' "$@" >"$scratch/$site-$network.txt"
}

round=0
while [ "$round" -lt "$rounds" ]; do
  report shop $((round % 4)) "$logs"/access-0?.log &
  report intranet $((round % 4)) "$logs"/access-1?.log &
  wait
  round=$((round + 1))
done
cat "$scratch"/shop-?.txt "$scratch"/intranet-?.txt
