#!/bin/bash
# fuzz.sh FUZZER REPLAY [TARGET...]: fuzzes the readers of files, two at a time; make fuzz calls it.
#
# Each target, or each of all, is fuzzed for FUZZ_SECONDS (600), from the kept corpus and from good
# files that the code itself writes. The work is kept in build/fuzz and gone on with the next time.
# A finding prints the end of its log and how to see it again; the exit code is then 1. FUZZ_KEEP=1
# replaces the kept corpus by the smallest one found that reaches as much.
set -euo pipefail
(($# >= 2)) || {
    echo "usage: tests/fuzz/fuzz.sh FUZZER REPLAY [TARGET...]" >&2
    exit 2
}
cd "$(dirname "$0")/../.."
export fuzzer=$1 replay=$2 work=build/fuzz seconds=${FUZZ_SECONDS:-600}
shift 2
(($#)) || mapfile -t names < <("$replay" --names)
(($#)) || set -- "${names[@]}"
export ASAN_OPTIONS=malloc_context_size=4 # of every allocation it would keep 30 callers
mkdir -p "$work"
"$replay" --seeds "$work/seeds"

fuzz_one() { # TARGET
    local log=$work/$1.log kept=tests/fuzz/corpus/$1 options=(-max_len=4096 -timeout=10)
    [[ ! -e tests/fuzz/$1.dict ]] || options+=("-dict=tests/fuzz/$1.dict")
    mkdir -p "$work/$1" "$kept"
    export FUZZ_TARGET=$1
    "$fuzzer" "$work/$1" "$kept" "$work/seeds/$1" "${options[@]}" -max_total_time="$seconds" \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$work/finding-$1-" >"$log" 2>&1 || {
        tail -n 40 "$log"
        echo "FAIL  $1: to see it again: FUZZ_TARGET=$1 $fuzzer $work/finding-$1-*"
        return 1
    }
    awk -v name="$1" '{ for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        /^stat::number_of_executed_units/ { runs = $2 }
        END { printf "ok    %-8s %9d executions, %d edges covered\n", name, runs, edges }' "$log"
    [[ -n ${FUZZ_KEEP:-} ]] || return 0
    rm -rf "$work/smallest-$1"
    mkdir "$work/smallest-$1"
    "$fuzzer" -set_cover_merge=1 -use_counters=0 "${options[@]}" "$work/smallest-$1" "$kept" "$work/$1" \
        "$work/seeds/$1" >>"$log" 2>&1
    rm -rf "$kept"
    mv "$work/smallest-$1" "$kept"
}
export -f fuzz_one
printf '%s\n' "$@" | xargs -P 2 -I TARGET bash -euo pipefail -c 'fuzz_one TARGET' || exit 1
