#!/usr/bin/env bash
# How fast jobs are started: paceline and its peers against the limit that `bare` shows.
#
#     bench/dispatch/run.sh [--tools bare,paceline,xargs,parallel,rust-parallel]
#
# In the environment: ROUNDS (7), JOBS (2000), LEVELS ("2 8"), PACELINE (a binary to measure
# instead of building one), RAW (a file that every single measurement is added to).
# The table goes to stdout, everything else to stderr.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$(dirname "$0")/../common.sh"

# build_nothing: the job that does nothing, without a C library where we know how.
build_nothing() {
  local cc=${CC:-gcc} source=$bench_dir/dispatch/nothing.c
  nothing=$bench_tools/nothing
  mkdir -p "$bench_tools"
  if ! "$cc" -O2 -static -nostdlib -DFREESTANDING -o "$nothing" "$source" 2>/dev/null ||
    ! "$nothing"; then
    note "building nothing.c with the C library"
    "$cc" -O2 -static -o "$nothing" "$source"
    "$nothing"
  fi
}

begin "$@"
build_nothing
bare=
if wanted bare; then
  cargo build --manifest-path "$root/Cargo.toml" --release --locked -p paceline-bench-dispatch >&2
  bare=$target/release/bare
fi
tool_options bare "$bare" paceline "$paceline" xargs "$(find_peer xargs)" \
  rust-parallel "$(find_peer rust-parallel)" parallel "$(find_peer parallel)"

read -ra levels <<<"${LEVELS:-2 8}"
python3 "$bench_dir/dispatch/measure.py" --scratch "$scratch" --nothing "$nothing" \
  --rounds "${ROUNDS:-7}" --jobs "${JOBS:-2000}" --levels "${levels[@]}" \
  ${RAW:+--raw "$RAW"} "${found[@]}"
