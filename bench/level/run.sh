#!/usr/bin/env bash
# How good is the level that paceline finds by itself? Real workloads at fixed levels, of which the
# best one is the measure, and with -j auto, cold and remembered.
#
#     bench/level/run.sh [--quick] [--only NAME,…] [--rounds N] [--tools paceline,xargs]
#
# --quick takes one round and fewer levels; --only takes some workloads, --list prints their names.
# In the environment: SOURCE (/usr/share, of which 4000 files
# at most are copied and compressed), PACELINE (a binary to measure instead of building one), LAB (a
# directory with lab-server, lab-get and lab-job instead of building them), RAW (a file that every
# single measurement is added to).
# The memory workload needs root, since it makes a cgroup; the disk workload measures the disk that
# TMPDIR (/tmp) is on.
# The table goes to stdout, everything else to stderr.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$(dirname "$0")/../common.sh"

options=() others=()
while (($#)); do
  case $1 in
  --list) exec python3 "$bench_dir/level/workloads.py" ;;
  --quick) options+=("$1") && shift ;;
  --only | --rounds) options+=("$1" "${2:?$1 needs a value, see --help}") && shift 2 ;;
  --only=* | --rounds=*) options+=("$1") && shift ;;
  *) others+=("$1") && shift ;;
  esac
done

begin "${others[@]}"
find_lab
tool_options paceline "$paceline" xargs "$(find_peer xargs)"

python3 "$bench_dir/level/measure.py" --scratch "$scratch" --lab "$lab" \
  --source "${SOURCE:-/usr/share}" ${RAW:+--raw "$RAW"} "${options[@]}" "${found[@]}"
