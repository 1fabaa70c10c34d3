#!/usr/bin/env bash
# Pipelines of waiting, computing and blocking: paceline with nothing tuned against what people
# write by hand, what an item costs, and what a budget of memory holds.
#
#     bench/pipeline/run.sh
#
# In the environment: ROUNDS (7), ITEMS (2000).
# The tables go to stdout, everything else to stderr.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$(dirname "$0")/../common.sh"

parse_options "$@"
need_python
cargo build --manifest-path "$root/Cargo.toml" --release --locked -p paceline-bench-pipeline >&2
python3 "$bench_dir/pipeline/measure.py" --program "$target/release/paceline-bench-pipeline" \
  --rounds "${ROUNDS:-7}" --items "${ITEMS:-2000}"
