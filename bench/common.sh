# shellcheck shell=bash
# What the benchmarks' run.sh files share: finding the workspace and the tools. To be sourced.

bench_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$bench_dir")
target=${CARGO_TARGET_DIR:-$root/target}
bench_tools=$target/bench-tools
export PYTHONPATH=$bench_dir PYTHONDONTWRITEBYTECODE=1 LC_ALL=C

# note WORDS…: for the person at the terminal, apart from the table on stdout.
note() { printf '%s\n' "$*" >&2; }

# wanted TOOL: whether TOOL is in the list that --tools gave; without a list every tool is.
wanted() { [[ -z ${tools:-} || ",$tools," == *",$1,"* ]]; }

# parse_options ARG…: sets `tools` from `--tools a,b,c`.
parse_options() {
  tools=
  while (($#)); do
    case $1 in
    --tools) tools=${2:?--tools needs a list like bare,xargs} && shift 2 ;;
    --tools=*) tools=${1#*=} && shift ;;
    -h | --help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    *) note "$(basename "$0"): unknown option $1 (see --help)" && exit 2 ;;
    esac
  done
}

# make_scratch: makes a directory that goes when the script ends, in `scratch`.
make_scratch() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/paceline-bench.XXXXXX")
  trap 'rm -rf -- "$scratch"' EXIT
}

# need_python: the measuring itself is Python, of which the standard library is enough.
need_python() {
  command -v python3 >/dev/null || { note "python3 is missing" && exit 1; }
}

# find_paceline: builds paceline, unless PACELINE names a binary; its path is left in `paceline`,
# empty if it is not wanted.
find_paceline() {
  paceline=
  wanted paceline || return 0
  if [[ -n ${PACELINE:-} ]]; then
    paceline=$(realpath -- "$PACELINE")
    [[ -x $paceline ]] || { note "PACELINE=$PACELINE cannot be run" && exit 2; }
    return
  fi
  cargo build --manifest-path "$root/Cargo.toml" --release --locked -p paceline-cli >&2
  paceline=$target/release/paceline
}

# begin ARG…: what every benchmark does first: options, Python, a scratch directory, paceline.
begin() {
  parse_options "$@"
  need_python
  make_scratch
  find_paceline
}

# find_lab: builds the servers and jobs of lab/, unless LAB names the directory they are in, which
# is left in `lab`.
find_lab() {
  lab=${LAB:-$target/release}
  if [[ -z ${LAB:-} ]]; then
    cargo build --manifest-path "$root/Cargo.toml" --release --locked -p paceline-lab >&2
  fi
  [[ -x $lab/lab-server ]] || { note "there is no lab-server in $lab" && exit 2; }
}

# find_peer TOOL: prints the path of a peer, installing it where that is simple; prints nothing,
# and says so, if it cannot be had.
find_peer() {
  local tool=$1
  wanted "$tool" || return 0
  case $tool in
  rust-parallel)
    if ! command -v rust-parallel >/dev/null && [[ ! -x $bench_tools/bin/rust-parallel ]]; then
      note "installing rust-parallel into $bench_tools"
      cargo install --root "$bench_tools" --locked rust-parallel >&2 || true
    fi
    ;;
  parallel)
    if ! command -v parallel >/dev/null && command -v apt-get >/dev/null && ((EUID == 0)); then
      note "installing GNU parallel"
      { apt-get update && apt-get install -y --no-install-recommends parallel; } >&2 || true
    fi
    # Others have a `parallel` too, which takes other arguments.
    if command -v parallel >/dev/null && ! parallel --version 2>/dev/null | grep -q '^GNU parallel'; then
      note "skipping parallel: the one found is not GNU's"
      return 0
    fi
    ;;
  esac
  PATH=$PATH:$bench_tools/bin command -v "$tool" || note "skipping $tool: not found"
}

# tool_options NAME PATH…: for each pair with a path, `--tool NAME=PATH`, in the array `found`.
tool_options() {
  found=()
  while (($#)); do
    if [[ -n $2 ]]; then found+=(--tool "$1=$2"); fi
    shift 2
  done
}
