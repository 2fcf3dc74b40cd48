# shellcheck shell=bash
# What the scripts in deploy/ and tests/ share: where things are, how a step is shown, how a failure is told.
# Sourced, never run. It sets `repo` and `build`; the caller has `set -euo pipefail`.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything built lands in one git-ignored folder; MPYD_BUILD_DIR moves it.
build=${MPYD_BUILD_DIR:-$repo/build}

# Debian's own interpreter: a python3 of pyenv or conda that is first on PATH has none of the Debian modules
# (elftools, google.protobuf) that MicroPython's and nanopb's tools import.
# shellcheck disable=SC2034
python=/usr/bin/python3

# Objects cached by ccache stay valid when the repository is cloned to another place.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$repo} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}

say() { printf '%s\n' "$*" >&2; }

# die WHAT [HINT...]: what failed and why, then what to do about it, one line each.
die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# usage_error WHY: for arguments that make no sense; exit code 2 as in `mpyd` itself.
usage_error() {
  printf '%s: %s\nTry: %s --help\n' "${0##*/}" "$1" "$0" >&2
  exit 2
}

# print_head_comment FILE: the comment at the top of a script is its --help.
print_head_comment() { sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$1"; }

# need_command COMMAND PACKAGE: stops with the way out when a tool is missing.
need_command() {
  command -v "$1" >/dev/null || die "$1 is not installed" "Install it: apt-get install $2 (or deploy/install-deps run)"
}

# now_s: seconds with tenths, from the shell alone (a process for it would cost more than some steps).
now_s() { printf '%s.%s' "${EPOCHREALTIME%[.,]*}" "${EPOCHREALTIME: -6:1}"; }

# elapsed_s START: tenths of a second since START, which came from now_s.
elapsed_s() {
  local tenths=$(($(now_s | tr -d .) - ${1/./}))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# watch_step NAME LOG START: on a terminal, what a running step is at: seconds, and ninja's [done/all] if it counts.
watch_step() {
  while sleep 1; do
    printf '\r\033[K%-34s %6s s  %s' "$1" "$(elapsed_s "$3")" "$(tail -c 400 "$2" | grep -o '\[[0-9]*/[0-9]*\]' | tail -n 1)" >&2
  done
}

# step NAME LOG COMMAND...: runs COMMAND with all its talk in build/log/LOG.log and prints one line with seconds;
# when it fails, the end of the log and where the rest is. Returns COMMAND's failure as 1.
# bash ignores `set -e` in what a condition calls, so a function given as COMMAND joins its commands with &&.
step() {
  local name=$1 log=$build/log/$2.log start
  shift 2
  mkdir -p "$build/log"
  start=$(now_s)
  local watcher= result=0
  if [[ -t 2 ]]; then watch_step "$name" "$log" "$start" & watcher=$!; fi
  "$@" >"$log" 2>&1 </dev/null || result=1
  if [[ -n $watcher ]]; then kill "$watcher" 2>/dev/null; wait "$watcher" 2>/dev/null || true; printf '\r\033[K' >&2; fi
  if ((result == 0)); then
    printf '%-34s %6s s\n' "$name" "$(elapsed_s "$start")" >&2
    return 0
  fi
  printf '%-34s failed after %s s; the end of %s:\n' "$name" "$(elapsed_s "$start")" "$log" >&2
  tail -n 40 "$log" | sed 's/^/  | /' >&2
  return 1
}

# hash_of_files PATH...: one digest over names and contents of all files below the paths; missing paths count as empty.
hash_of_files() {
  local path existing=()
  for path in "$@"; do
    if [[ -e $path ]]; then existing+=("$path"); fi
  done
  if ((${#existing[@]} == 0)); then echo none; return; fi
  find -L "${existing[@]}" -name __pycache__ -prune -o -type f -print0 |
    LC_ALL=C sort -z | xargs -0 -r sha256sum | sha256sum | cut -d' ' -f1
}

# stamp_is FILE TEXT: true when FILE was written by an earlier successful step with the same inputs.
stamp_is() { [[ -f $1 && $(<"$1") == "$2" ]]; }

# hold_lock NAME: waits for other runs of the same work in this build folder; released when the script ends.
hold_lock() {
  mkdir -p "$build/lock"
  exec {lock_fd}>"$build/lock/$1"
  flock "$lock_fd"
}
