#!/usr/bin/env bash
# A real job with the level left to paceline: gzip over the machine's documentation, against
# `xargs -P` with as many at a time as there are cores, which is the best guess for this work.
#
#     bench/gzip/run.sh [--tools paceline,xargs]
#
# In the environment: ROUNDS (7), FILES (3000 at most), SOURCE (/usr/share/doc; it is copied),
# PACELINE (a binary to measure instead of building one).
# The table goes to stdout, everything else to stderr.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$(dirname "$0")/../common.sh"

begin "$@"
tool_options xargs "$(find_peer xargs)" paceline "$paceline"

python3 "$bench_dir/gzip/measure.py" --scratch "$scratch" --gzip "$(command -v gzip)" \
  --rounds "${ROUNDS:-7}" --files "${FILES:-3000}" --source "${SOURCE:-/usr/share/doc}" \
  "${found[@]}"
