#!/bin/bash
# run.sh BUILD RUN...: runs tests that were built, and says what came of them.
#
# A run is [FOLDER/]NAME[:ARGUMENT]: the name stands in the table below, the argument is a number of
# ranks or what the table says, FOLDER is a build beside BUILD, such as double or float-asan.
# make/tests.mk says which runs make a tier. Independent runs go side by side, one a core. Each
# prints a line: how many tests passed, failed and were skipped, the seconds that it took and those
# of a processor; before that what it prints behind '# ', and all its output if it failed. A crash, a
# hang, a run of no test and a filter that matches nothing are failures. The last line is the total.
# NP=3: whatever has ranks on 3 alone. REQUIRE_GPU=1: what is skipped of tests on CUDA has failed.
set -euo pipefail
if (($# < 2)) || [[ ! -d $1 ]]; then
    echo "usage: tests/run.sh BUILD RUN..., for example tests/run.sh build/float units train:3" >&2
    exit 2
fi
cd "$(dirname "$0")/.."
build=$1
shift

# ---- what is run ---------------------------------------------------------------------------------
# GoogleTest filters. Sanitizers make a program 10 to 50 times slower: they get smaller cases.
by_hand='Ring*:Tree*:Overlapped*:Compressed*:Nccl*' # train-reduce's own
no_course="-*CourseTrain.*:$by_hand"
by_tiles='*/cpu:*/cpu_shared:-*CourseTrain.*'
# The kernel runner takes half a minute for the largest, and longer as a newer GPU.
# TSan sees one process: where ranks share a replica, it misses that another rank ended a barrier.
# Other ways to multiply on the runner are the kernel tests', which ASan sees too.
train_asan='-*LongCourseTrain.*:*/cuda_*:*/course*'
train_tsan='On/Step.of_9_*:On/Step.of_100_*:On/Step.of_three_*:*small_set_of_one_*:*small_last_*:*small_network_of_*:*small_scatter*:On/CpuTrain.gives_*-*cpu_dense*:*cpu_shared*'
# What depends on how many images a rank has: one alone, none, more than another.
shards='*small_batches*:*small_set_*:*small_last*:*small_shuffled*:*penalty_once*'
shards+=':*small_scatter*:*evaluates_to*:*small_tables*:*small_shard*:Cores*:Shared*:Scatters*'
shards+='-*cpu_dense*:*3_threads*:*cuda_*'
small_kernels='-*Large'
kernels_asan='-*Large:*InEveryOrder:*AtMostTwice*:*MoreSamplesThan*'
kernels_tsan="$kernels_asan:*FromAnyAddress:*AroundEveryEdge:*GradientOf*:*EveryNaN*:*ExactOnSmall*"
kernels_tsan+=":*OfALongEpochIsAGraph*:*MayReadMemoryOfTheHostLate" # minutes, on the same kernels
# Three minutes; their kernels also run in the planted defects' driver, by TSan.
kernels_tsan+=":Course.OutputsAreRight*:*OfManyTiles*:*OfTheCourseLearnsTheSame:*OnTwoDevices*:*WithoutMemoryForGraphs*"
kernels_tsan+=":Persistent.*" # thousands of fibers; the planted defects' driver runs it by TSan
# One of each kind: right, wrong use, a file that is not there, several ranks, the kernel runner.
few_commands='Help.IsPrintedOnce*:Compare.PassesAtOneTwo*:Save.*:Resume.EndsIn*:Refusals.AreOneLine*'
few_commands+=':Failures.TrainingThatDiverges*:Gpuhost.LearnsWhat*:Demo.*:Evaluate.Tells*:Plot.IsAnSvg*'
# GCC 12's TSan cannot live with the wide address randomisation of newer kernels. Some containers
# forbid to switch it off; there it is tried with it.
fixed_addresses=(setarch -R)
setarch -R true 2>/dev/null || fixed_addresses=()

# look_up NAME ARGUMENT FOLDER: sets what, ranks (0: without mpirun), limit (seconds, for hangs: a
# busy machine may take several times as long as a quiet one), filter and command; fails if unknown.
look_up() {
    local name=$1 argument=$2 tests=$3/tests orders=(forward reverse random) sanitized=()
    ranks=0 limit=1200 filter='' alone='' command=()
    [[ $3 != *-tsan ]] || sanitized=("${fixed_addresses[@]}")
    case $name in
    units) what="unit tests" command=("$tests/unit_tests") ;;
    commands) # HALF: 1 or 2; it waits for mpirun most of the time
        what="command lines, half $argument of 2"
        command=(env GTEST_TOTAL_SHARDS=2 "GTEST_SHARD_INDEX=$((argument - 1))" "$tests/cli_tests")
        ;;
    commands-few) what="some command lines" filter=$few_commands command=("$tests/cli_tests") ;;
    kernels) # ORDER of the CUDA threads
        what="kernels, threads $argument"
        [[ $argument == forward ]] || filter=$small_kernels
        command=(env "GPUHOST_ORDER=$argument" "$tests/kernel_tests_gpuhost")
        ;;
    kernels-small)
        what="kernels, small sizes" filter=$small_kernels
        [[ $3 != *-asan ]] || what="kernels, ASan+UBSan" filter=$kernels_asan
        [[ $3 != *-tsan ]] || what="kernels, TSan" filter=$kernels_tsan
        # A death test's process begins anew: TSan takes one for a race that was forked off thousands of fibers.
        command=(env GTEST_DEATH_TEST_STYLE=threadsafe "${sanitized[@]}" "$tests/kernel_tests_gpuhost")
        ;;
    train | train-course) # RANKS: each number with another order of the CUDA threads, as another GPU
        ranks=${NP:-$argument}
        local order=${orders[ranks % 3]} capability=$((ranks % 2 ? 90 : 75))
        what="training, a GPU of $capability, $order"
        [[ $name == train-course ]] && what+=", the course's" filter="-$by_hand" || filter=$no_course
        ((ranks <= 3)) || filter+=':*notebook_gives_numpys*' # 18 s, of what three ranks show
        command=(env "GPUHOST_ORDER=$order" "GPUHOST_CAPABILITY=$capability" "$tests/train_tests_gpuhost")
        ;;
    train-small)
        ranks=${NP:-$argument} what="training" filter=$no_course
        [[ $3 != *-asan ]] || what="training, ASan+UBSan" filter=$train_asan
        [[ $3 != *-tsan ]] || what="training, TSan" filter=$train_tsan
        command=("${sanitized[@]}" "$tests/train_tests_gpuhost")
        ;;
    assignment) # RANKS: what a student's trainer does right who wrote what docs/assignment.md asks for
        ranks=${NP:-$argument} what="training, as the assignment asks"
        filter="-*CourseTrain.*:FixedOrder*:*SmallOperands*:*Slices*:Local*:*Async*:Nccl*"
        command=("$tests/train_tests_gpuhost")
        ;;
    train-tiles) ranks=${NP:-$argument} what="training by bf16x3, tiles in plain loops" filter=$by_tiles command=("$tests/train_tests_tiles") ;;
    train-reduce) ranks=${NP:-$argument} what="sums by hand, of codes and by NCCL" filter=$by_hand command=(env "GPUHOST_DEVICES=$ranks" "$tests/train_tests_gpuhost") ;;
    train-nodes) ranks=${NP:-$argument} what="training on two nodes" filter='Node*' command=("$tests/train_tests_gpuhost") ;;
    shards) ranks=${NP:-$argument} what="shards of batches" filter=$shards command=("$tests/train_tests_gpuhost") ;;
    kernels-cuda) what="kernels on CUDA" command=("$tests/kernel_tests_cuda") ;;
    train-cuda) ranks=${NP:-$argument} what="training on CUDA" filter='*/cuda*' command=("$tests/train_tests_cuda") ;;
    nccl-cuda) ranks=${NP:-$argument} what="sums by NCCL, where each rank has a GPU" filter='Nccl*' command=("$tests/train_tests_cuda") ;;
    corpus) what="readers on the fuzzing corpus, ASan+UBSan" command=("$3/tests/fuzz_replay" tests/fuzz/corpus) ;;
    golden) what="golden checksums" command=(tests/golden/golden.sh "$3") ;;
    kills) what="SIGKILL at $argument moments" limit=900 command=(tests/kill_and_resume.sh ./main "$argument") ;;
    planted-kernels) # all, one-of-each-kind, or the-others; the lanes of this script are its jobs
        what="defects in kernels are caught, ${argument//-/ }" limit=1200 command=(env JOBS=1 tests/planted/kernels.sh "$argument") ;;
    planted-trainer) # QUARTER
        what="defects in the trainer are caught, $argument of 4" limit=1200 command=(env JOBS=1 tests/planted/trainer.sh "$argument/4") ;;
    docs) what="places that docs/ names" command=(tests/check_docs.py) ;;
    make) what="what make does and does not" command=(tests/test_make.sh) ;;
    gpu-kit) what="the kit for GPUs, without one" command=(tests/test_gpu_kit.sh) ;;
    ab) what="the interval of make ab" command=(tools/ab.py --self-test) ;;
    skip) what="${argument//-/ }: no nvcc, or no GPU" command=(echo "0 passed, 0 failed, 1 skipped") ;;
    goal) # GOAL of make; its exit code is its verdict
        what="make $argument" limit=2400 command=(make --no-print-directory "$argument")
        [[ $argument != bench ]] || what+=", a trial" alone=1 command+=(ARGS=--quick)
        ;;
    *) return 1 ;;
    esac
}

# ---- how it is run -------------------------------------------------------------------------------
. tests/mpi_env.sh
unset MAKEFLAGS MAKELEVEL MFLAGS # a goal's make is its own
export GTEST_COLOR=no
export UBSAN_OPTIONS=print_stacktrace=1
# MPI leaks a little; tests/lsan.supp names it, and only the slow unwinder sees that far.
export ASAN_OPTIONS=fast_unwind_on_malloc=0
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export TSAN_OPTIONS=halt_on_error=1:atexit_sleep_ms=0:suppressions=$PWD/tests/tsan.supp

scratch=$(mktemp -d)
totals=$scratch/totals # a line for each run: passed failed skipped
# shellcheck disable=SC2317 # traps call it
end_children() {
    # shellcheck disable=SC2046 # one word a job
    kill $(jobs -p) 2>/dev/null || true
}
trap 'end_children; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# unmatched FILTER PROGRAM...: prints each pattern of a filter that matches no test of the program.
unmatched() {
    local filter=$1 pattern patterns all
    shift
    mapfile -t all < <("$@" --gtest_list_tests | awk '/^[^ ]/ { suite = $1 } /^  / { print suite $1 }')
    IFS=: read -ra patterns <<<"${filter//-/:}"
    for pattern in "${patterns[@]}"; do
        [[ -n $pattern ]] || continue
        # shellcheck disable=SC2053 # GoogleTest's patterns are the shell's
        for test in "${all[@]}"; do [[ $test != $pattern ]] || continue 2; done
        echo "$pattern"
    done
}

count() { # NAME RANKS PASSED FAILED SKIPPED SECONDS OF_PROCESSOR: prints a line, adds to the total
    local word=ok f=$4 s=$5
    if [[ ${REQUIRE_GPU:-0} == 1 && $1 == *"on CUDA"* ]]; then
        f=$((f + s)) s=0
    fi
    ((s == 0)) || word=skip
    ((f == 0)) || word=FAIL
    printf '%-4s  %-44s %2s rank(s)  %4d passed  %3d failed  %3d skipped  %6s s %6s s of a processor\n' \
        "$word" "$1" "$2" "$3" "$f" "$s" "$6" "$7"
    echo "$3 $f $s" >>"$totals"
    ((f == 0))
}

tally() { # LOG: prints "passed failed skipped", from the log of a GoogleTest or of a script
    awk '/^\[       OK \]/                       { seen++ }
         /^\[  PASSED  \] [0-9]+ test/            { p = $4; summary = 1 }
         /^\[  FAILED  \] [0-9]+ test/            { f = $4 }
         /^\[  SKIPPED \] [0-9]+ test/            { s = $4 }
         /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3; s += $5; summary = 1 }
         END { print (summary ? p : seen) + 0, f + 0, s + 0 }' "$1"
}

run() { # LABEL: one line of the table
    local status=0 start p f s why='' missing='' log=$scratch/log.$BASHPID child seconds word
    for word in "${command[@]}"; do
        if [[ $word == */tests/*_tests* && ! -x $word ]]; then
            count "$what" "$ranks" 0 1 0 0 0 || echo "    $word was not built: first run make $word"
            return
        fi
    done
    [[ -z $filter ]] || missing=$(unmatched "$filter" "${command[@]}")
    [[ -z $filter ]] || command+=("--gtest_filter=$filter")
    ((ranks == 0)) || command=(mpirun -np "$ranks" "${command[@]}")
    start=$(date +%s%N)
    timeout -k 10 "$limit" "${command[@]}" >"$log" 2>&1 </dev/null &
    child=$!
    trap 'kill "$child" 2>/dev/null; exit 130' TERM
    wait "$child" || status=$?
    times >"$log.times" # of this shell's children in its second line, as 1m2.345s
    seconds=$(awk -v ns=$(($(date +%s%N) - start)) 'NR == 2 { gsub("s", ""); split($1, u, "m"); split($2, s, "m")
        printf "%.1f %.1f", ns / 1e9, 60 * (u[1] + s[1]) + u[2] + s[2] }' "$log.times")
    read -r p f s < <(tally "$log")
    [[ $1 != goal:* || $status != 0 ]] || ((p + f + s > 0)) || p=1
    if ((status == 124 || status == 137)); then
        why="was stopped after its $limit s, or killed"
    elif ((status != 0)); then
        why="ended with exit code $status"
    elif [[ -n $missing ]]; then
        why="no test is called ${missing//$'\n'/, nor }: mend the filter in tests/run.sh"
    elif ((p + f + s == 0)); then
        why="ran no test"
    fi
    [[ -z $why ]] || ((f > 0)) || f=1
    grep '^# ' "$log" | sed 's/^/      /' || true # what a test tells of itself
    count "$what" "$ranks" "$p" "$f" "$s" "${seconds% *}" "${seconds#* }" && return
    sed 's/^/    | /' "$log"
    echo "    ${command[*]} ${why:-skipped tests, and REQUIRE_GPU=1 forbids that}"
}

# Ranks wait for each other, so they have the cores for themselves, as has what measures.
cores=$(nproc)
declare -A weight=() output=()
finish_some() { # waits until one or more runs ended, and prints what they said
    local pid
    wait -n || true
    for pid in "${!weight[@]}"; do
        kill -0 "$pid" 2>/dev/null && continue
        wait "$pid" || true
        cat "${output[$pid]}"
        unset "weight[$pid]" "output[$pid]"
    done
}
busy() { local sum=0 w; for w in "${weight[@]}"; do sum=$((sum + w)); done; echo "$sum"; }

number=0
declare -A seen=()
for label in "$@"; do
    folder=$build
    [[ $label != */* ]] || folder=build/${label%%/*}
    name=${label#*/} argument=
    [[ $name != *:* ]] || argument=${name#*:}
    if ! look_up "${name%%:*}" "$argument" "$folder"; then
        count "tests/run.sh knows no run called $label" 0 0 1 0 0 0 || true
        continue
    fi
    [[ $folder == "$build" ]] || what="${folder#build/}: $what"
    [[ -z ${seen["$what $ranks"]:-} ]] || continue # with NP several become one
    seen["$what $ranks"]=1
    need=$((ranks > 1 || ${alone:-0} ? cores : 1))
    while ((${#weight[@]} > 0 && $(busy) + need > cores)); do finish_some; done
    number=$((number + 1))
    run "$label" >"$scratch/output.$number" 2>&1 &
    weight[$!]=$need output[$!]=$scratch/output.$number
done
while ((${#weight[@]} > 0)); do finish_some; done
[[ $(wc -l <"$totals") -ge $number ]] || echo "0 1 0" >>"$totals" # one broke off
awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$totals"
