#!/usr/bin/env bash
# Does `paceline diagnose` find what limits a program? Runs the programs of lab/corpus, of which the
# truth is known, under it, idle and beside a busy process, and compares.
#
#     bench/diagnose/run.sh [--quick] [--only NAME,…] [--held-out | --tuning] [--no-oracle]
#                           [--pairs N] [--json FILE]
#
# --quick runs each program once, idle; --only takes some programs, --held-out those that no rule was
# tuned on, --tuning the others; --list prints their names. --no-oracle does not compare shares with
# the scheduler's trace (which needs root). --pairs measures the slowdown on every N-th program alone
# (3; 0 for none). --json keeps all that was measured.
# In the environment: PACELINE (a binary to measure instead of building one), LAB (a directory with
# lab-server and the others instead of building them), LAB_SCALE (how much work, 1).
# The tables go to stdout, everything else to stderr.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$(dirname "$0")/../common.sh"

options=() others=()
while (($#)); do
  case $1 in
  --list | --quick | --held-out | --tuning | --no-oracle) options+=("$1") && shift ;;
  --only | --pairs | --json) options+=("$1" "${2:?$1 needs a value, see --help}") && shift 2 ;;
  --only=* | --pairs=* | --json=*) options+=("$1") && shift ;;
  *) others+=("$1") && shift ;;
  esac
done

parse_options "${others[@]}"
need_python
python3 -c 'import tomllib' 2>/dev/null || { note "this benchmark needs Python 3.11" && exit 1; }
make_scratch
if [[ " ${options[*]-} " != *" --list "* ]]; then
  find_paceline
  find_lab
fi
tool_options paceline "${paceline:-}"

python3 "$bench_dir/diagnose/measure.py" --scratch "$scratch" --corpus "$root/lab/corpus" \
  --lab "${lab:-}" "${options[@]}" "${found[@]}"
