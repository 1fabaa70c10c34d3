#!/usr/bin/env bash
# Work off an event loop: what handing it over costs, and how responsive a server stays meanwhile.
#
#     bench/offload/run.sh
#
# In the environment: ROUNDS (3), SECONDS_EACH (5, per measurement), RAW (a file that every single
# measurement is added to).
# The tables go to stdout, everything else to stderr.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$(dirname "$0")/../common.sh"

parse_options "$@"
need_python
cargo build --manifest-path "$root/Cargo.toml" --release --locked -p paceline-bench-offload >&2
python3 "$bench_dir/offload/measure.py" --programs "$target/release" \
  --rounds "${ROUNDS:-3}" --seconds "${SECONDS_EACH:-5}" ${RAW:+--raw "$RAW"}
