#!/bin/bash
# run.sh quick|full BUILD: runs the tests that were built in BUILD and says what came of them.
#
# One line a program: its ranks, how many tests passed, failed and were skipped, its time; before
# that what it prints behind '# ', and if it failed all its output. A crash, a hang and a program
# that ran no test are failures. The last line is the total, and the exit code 1 if anything failed.
# NP=3: on 3 ranks alone.
# REQUIRE_GPU=1: what is skipped of the tests on CUDA has failed.
set -euo pipefail
[[ ${1:-} =~ ^(quick|full)$ && -d ${2:-} ]] || {
    echo "usage: tests/run.sh quick|full BUILD, where BUILD is for example build/float" >&2
    exit 2
}
cd "$(dirname "$0")/.."
selection=$1 build=$2

# ---- what each run is given ----------------------------------------------------------------------
# GoogleTest filters. Sanitizers make a program 10 to 50 times slower: they get the smaller cases.
quick_train='-*CourseTrain.small3*:*CourseTrain.medium*:*CourseTrain.large*'
asan_train=$quick_train
tsan_train='On/Step.of_9_*:On/Step.of_100_*:On/Step.of_three_*:*small_set_of_one_*:*small_last_*:*small_network_of_*:*small_scatter_*:On/CpuTrain.gives_*-*fp32*'
# What depends on how many images a rank has: one alone, none, more than another.
slices_train='*small_batches*:*small_set_*:*small_last*:*small_shuffled*:*penalty_once*'
slices_train+=':*small_scatter*:*evaluates_to*:*small_tables*:*small_slice*:Cores*:Shared*:Scatters*'
slices_train+='-*fp32*:*3_threads*:*cuda_*'
small_kernels='-*Large'
asan_kernels='-*Large:*InEveryOrder:*AtMostTwice*:*MoreSamplesThan*'
tsan_kernels="$asan_kernels:*FromAnyAddress:*AroundEveryEdge:*GradientOf*:*EveryNaN*:*ExactOnSmall*"
# Where tests/interop/setup.sh was run, PyTorch is there; elsewhere the user's Python may have it.
python=build/interop/bin/python
[[ -x $python ]] || python=${PYTHON:-python3}
# The kernel runner takes half a minute for the largest set, and longer as a newer GPU.
but_largest='-*CourseTrain.large/cuda*'
cuda_train='*/cuda*' # the CPU's tests have been run by then

# What waits, or needs one core, goes side by side, in these rows. What shows the same in float and in
# double, such as whether the runner sees defects and files survive kills, is run in float alone.
# The limits are for hangs: a busy machine may take several times as long as a quiet one.
cli_tests() { # HALF: 0 or 1; it waits for mpirun most of the time
    GTEST_TOTAL_SHARDS=2 GTEST_SHARD_INDEX=$1 \
        run "cli_tests, half $(($1 + 1)) of 2" 0 600 "$build/tests/cli_tests"
}
units() {
    run "unit_tests" 0 300 "$build/tests/unit_tests"
    cli_tests 0
    [[ $selection == quick ]] ||
        run "files to PyTorch and NumPy and back" 0 300 "$python" tests/interop/interop.py ./main
}
commands() {
    cli_tests 1
    [[ -z $once ]] || run "SIGKILL at 50 moments" 0 600 tests/kill_and_resume.sh ./main 50
}
kernels() {
    local order
    if [[ $selection == quick ]]; then
        run "kernel_tests on gpuhost" 0 120 \
            "$build/tests/kernel_tests_gpuhost" --gtest_filter="$small_kernels"
        return
    fi
    for order in "${orders[@]}"; do
        GPUHOST_ORDER=$order run "kernel_tests on gpuhost, $order" 0 600 \
            "$build/tests/kernel_tests_gpuhost" \
            --gtest_filter="$([[ $order == forward ]] && echo '*' || echo "$small_kernels")"
    done
    run "kernel_tests on gpuhost, ASan+UBSan" 0 600 \
        "$build-asan/tests/kernel_tests_gpuhost" --gtest_filter="$asan_kernels"
    run "kernel_tests on gpuhost, TSan" 0 600 "${fixed_addresses[@]}" \
        "$build-tsan/tests/kernel_tests_gpuhost" --gtest_filter="$tsan_kernels"
}
defects() {
    JOBS=1 run "planted defects are caught" 0 900 tests/gpuhost/planted.sh
    run "readers on the fuzzing corpus, ASan+UBSan" 0 120 \
        "$build-asan/tests/fuzz_replay" tests/fuzz/corpus
    run "places that docs/ names" 0 60 tests/check_docs.py
}

plan() {
    local np order orders=(forward reverse random) once=1
    [[ $selection == full && $build != *double* ]] || once=
    side_by_side units commands kernels ${once:+defects}
    if [[ $selection == quick ]]; then
        for np in ${NP:-1 3}; do
            run "train_tests on gpuhost" "$np" 120 \
                "$build/tests/train_tests_gpuhost" --gtest_filter="$quick_train"
        done
        return
    fi
    for np in ${NP:-1 2 3 4 5}; do # each with another order of the CUDA threads, as another GPU
        order=${orders[np % 3]} capability=$((np % 2 ? 90 : 75))
        GPUHOST_ORDER=$order GPUHOST_CAPABILITY=$capability \
            run "train_tests on gpuhost $capability, $order" "$np" 300 \
            "$build/tests/train_tests_gpuhost" \
            --gtest_filter="$([[ ${NP:-$np} == 2 ]] && echo '*' || echo "$but_largest")"
    done
    run "train_tests on gpuhost, ASan+UBSan" "${NP:-2}" 300 \
        "$build-asan/tests/train_tests_gpuhost" --gtest_filter="$asan_train"
    [[ -z $once ]] || more_ranks_and_threads
    if [[ -x $build/tests/kernel_tests_cuda ]]; then
        run "kernel_tests on CUDA" 0 240 "$build/tests/kernel_tests_cuda"
        for np in ${NP:-1 2 3 4 5}; do
            run "train_tests on CUDA" "$np" 300 \
                "$build/tests/train_tests_cuda" --gtest_filter="$cuda_train"
        done
    else
        count "tests on CUDA: no nvcc, or no GPU" 0 0 0 1 0 || true
    fi
}
more_ranks_and_threads() {
    local np
    [[ -n ${NP:-} ]] || for np in {6..16}; do
        run "train_tests of slices" "$np" 300 \
            "$build/tests/train_tests_gpuhost" --gtest_filter="$slices_train"
    done
    run "train_tests on gpuhost, TSan" "${NP:-2}" 300 "${fixed_addresses[@]}" \
        "$build-tsan/tests/train_tests_gpuhost" --gtest_filter="$tsan_train"
}

# ---- how it is run -------------------------------------------------------------------------------
. tests/mpi_env.sh
export GTEST_COLOR=no
export UBSAN_OPTIONS=print_stacktrace=1
# MPI leaks a little; tests/lsan.supp names it, and only the slow unwinder sees that far.
export ASAN_OPTIONS=fast_unwind_on_malloc=0
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export TSAN_OPTIONS=halt_on_error=1:atexit_sleep_ms=0:suppressions=$PWD/tests/tsan.supp
# GCC 12's TSan cannot live with the wide address randomisation of newer kernels. Some containers
# forbid to switch it off; there it is tried with it.
fixed_addresses=(setarch -R)
setarch -R true 2>/dev/null || fixed_addresses=()

scratch=$(mktemp -d)
totals=$scratch/totals # a line for each run: passed failed skipped
child=
# shellcheck disable=SC2317 # traps call it
end_children() {
    [[ -z $child ]] || kill "$child" 2>/dev/null || true
    # shellcheck disable=SC2046 # one word a job
    kill $(jobs -p) 2>/dev/null || true
}
trap 'end_children; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

side_by_side() { # ROW...: functions that call run; what each prints comes in one piece
    local row pids=() i=0
    for row in "$@"; do
        (
            trap end_children EXIT
            trap 'exit 130' INT TERM
            "$row"
        ) >"$scratch/$row" 2>&1 &
        pids+=($!)
    done
    for row in "$@"; do
        wait "${pids[i++]}" || count "the rest of the row, which broke off" 0 0 1 0 0 >>"$scratch/$row" || true
        cat "$scratch/$row"
    done
}

count() { # NAME RANKS PASSED FAILED SKIPPED SECONDS: prints a line and adds to the total
    local word=ok f=$4 s=$5
    if [[ ${REQUIRE_GPU:-0} == 1 && $1 == *"on CUDA"* ]]; then
        f=$((f + s)) s=0
    fi
    ((s == 0)) || word=skip
    ((f == 0)) || word=FAIL
    printf '%-4s  %-38s %s rank(s)  %4d passed  %3d failed  %3d skipped  %6s s\n' \
        "$word" "$1" "$2" "$3" "$f" "$s" "$6"
    echo "$3 $f $s" >>"$totals"
    ((f == 0))
}

tally() { # prints "passed failed skipped", from $log, the log of a GoogleTest or of a script
    awk '/^\[       OK \]/                       { seen++ }
         /^\[  PASSED  \] [0-9]+ test/            { p = $4; summary = 1 }
         /^\[  FAILED  \] [0-9]+ test/            { f = $4 }
         /^\[  SKIPPED \] [0-9]+ test/            { s = $4 }
         /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p = $1; f = $3; s = $5; summary = 1 }
         END { print (summary ? p : seen) + 0, f + 0, s + 0 }' "$log"
}

run() { # NAME RANKS SECONDS COMMAND...: RANKS 0 means without mpirun
    local name=$1 ranks=$2 limit=$3 start status=0 seconds p f s why='' log=$scratch/log.$BASHPID
    shift 3
    ((ranks == 0)) || set -- mpirun -np "$ranks" "$@"
    start=$(date +%s%N)
    timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null &
    child=$!
    wait "$child" || status=$?
    child=
    seconds=$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { printf "%.1f", ns / 1e9 }')
    read -r p f s < <(tally)
    if ((status == 124 || status == 137)); then
        why="stopped after its $limit s, or killed"
    elif ((status != 0)); then
        why="ended with exit code $status"
    elif ((p + f + s == 0)); then
        why="ran no test"
    fi
    [[ -z $why ]] || ((f > 0)) || f=1
    grep '^# ' "$log" | sed 's/^/      /' || true # what a test tells of itself
    count "$name" "$ranks" "$p" "$f" "$s" "$seconds" && return
    sed 's/^/    | /' "$log"
    echo "    $* ${why:-skipped tests, and REQUIRE_GPU=1 forbids that}"
}

plan
awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$totals"
