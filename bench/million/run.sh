#!/usr/bin/env bash
# What a million inputs cost in memory and time, and what a job costs that writes a gigabyte.
#
#     bench/million/run.sh [--tools paceline,xargs,rust-parallel,parallel]
#
# In the environment: COUNT (1000000 inputs; GNU parallel gets 100000 at most), BOX (300 seconds
# for any one tool), PACELINE (a binary to measure instead of building one).
# The table goes to stdout, everything else to stderr.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$(dirname "$0")/../common.sh"

begin "$@"
tool_options paceline "$paceline" xargs "$(find_peer xargs)" \
  rust-parallel "$(find_peer rust-parallel)" parallel "$(find_peer parallel)"

python3 "$bench_dir/million/measure.py" --scratch "$scratch" --count "${COUNT:-1000000}" \
  --box "${BOX:-300}" "${found[@]}"
