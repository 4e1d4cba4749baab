#!/bin/bash
# run.sh RESULTS [SECONDS=360] [sanitize|racecheck|trial]: a first run on a GPU machine, in the project's root.
#
# It runs what make gpu-kit packed beside it, or, without that, what make gpu-first-run has built in
# the tree. Tests, sanitizer and benchmark, in the order of what is worth most, each within its own
# time, all within SECONDS. A line a part, also in RESULTS/table.txt; beside it the benchmark's
# gpu.csv and logs.tar.gz. It changes no setting of the machine. `sanitize`: the sanitizer alone;
# `racecheck`: of its tools that one alone. A trial runs on the kernel runner, few tests and tiny
# sizes. Exit code 1: a part failed, or ran no test.
set -u
out=${1:?usage: run.sh RESULTS [SECONDS] [sanitize|racecheck|trial]} limit=${2:-360} what=${3:-all}
[[ $limit =~ ^[0-9]+$ && $what =~ ^(all|sanitize|racecheck|trial)$ ]] || {
    echo "usage: run.sh RESULTS [SECONDS] [sanitize|racecheck|trial], for example run.sh results 600" >&2
    exit 2
}
kit=$(cd "$(dirname "$0")" && pwd) at=$(mktemp -d) trial=
trap 'rm -rf "$at"' EXIT
mkdir -p "$out" "$at/logs"
export GTEST_COLOR=no LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
if [[ -f $kit/kit.tar.xz ]]; then
    python3 -c "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])" "$kit/kit.tar.xz" "$at" 2>/dev/null ||
        tar -C "$at" -xJf "$kit/kit.tar.xz"
    made_for=$(cat "$kit/made_for")
    [[ $made_for != trial* ]] || trial=1
    LD_LIBRARY_PATH=$at/lib
    # shellcheck disable=SC1091 # packed
    . "$at/mpi/env.sh"
else
    made_for="this tree, commit $(git rev-parse HEAD 2>/dev/null || echo unknown)"
    [[ $what != trial ]] || trial=1
    kernels=${trial:+gpuhost} kernels=${kernels:-cuda}
    for real in float double; do # the names that the kit has
        mkdir "$at/$real"
        ln -s "$PWD/build/$real/main${trial:+_gpuhost}" "$at/$real/main"
        ln -s "$PWD/build/$real/bench/gpu_bench${trial:+_gpuhost}" "$at/$real/gpu_bench"
        for program in bench/gpu_model bench/gpu_limits; do
            ln -s "$PWD/build/$real/$program" "$at/$real/"
        done
        for tests in kernel_tests train_tests; do
            ln -s "$PWD/build/$real/tests/${tests}_$kernels" "$at/$real/$tests"
        done
    done
    # shellcheck disable=SC1091
    . tests/mpi_env.sh
fi
[[ -z $trial ]] || export GPUHOST_CAPABILITY=90
blas=$(find / -xdev -name 'libcublas.so.1[0-9]*' -not -path '/proc/*' 2>/dev/null | head -n 1)
[[ -z $blas ]] || LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$(dirname "$blas")
start=$SECONDS table=$out/table.txt
{
    echo "$made_for"
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.max.sm --format=csv,noheader
    echo "cublas ${blas:-not found}"
} 2>&1 | tee "$table"

part() { # NAME SECONDS COMMAND...
    local name=$1 most=$2 left=$((limit - (SECONDS - start) - 15)) rc=0 begin=$SECONDS word=ok passed skipped said
    local log=$at/logs/$1.log
    shift 2
    ((left >= 10)) || { echo "no time    $name" | tee -a "$table"; return; }
    ((most <= left)) || most=$left
    timeout -k 5 "$most" "$@" >"$log" 2>&1 </dev/null || rc=$?
    passed=$(grep -cE '^\[       OK \]' "$log") skipped=$(grep -cE '^\[  SKIPPED \] .*\(' "$log")
    said=$(grep -E 'CHECK [A-Z]|test accuracy|ERROR SUMMARY|RACECHECK SUMMARY|^# time' "$log" | tail -n 3 | tr '\n' ' ' | cut -c1-170)
    ((rc == 0)) || word="rc $rc"
    [[ ! ($name =~ ^(kernels|train) && $rc == 0 && $passed == 0) ]] || word=none-ran
    [[ $word == ok ]] || touch "$at/failed"
    {
        printf '%-8s %4ss %s: %s passed, %s skipped %s\n' "$word" $((SECONDS - begin)) "$name" "$passed" "$skipped" "$said"
        ((rc == 0)) || grep -nE 'Failure|rror|invalid|illegal|misaligned|terminate|what\(\)' "$log" | head -n 12 | cut -c1-220
    } | tee -a "$table"
}
f=$at/float d=$at/double
if [[ -n $trial ]]; then
    tests=--gtest_filter='*ExactOnSmallIntegers*' steps=--gtest_filter='On/Step.of_9_4_10*/cuda*' bench=--trial
    small=$steps main=(--train-size 500 -n 16 -e 1) check=(-s -n 16 -b 67 -e 1 --train-size 300)
else
    tests=--gtest_filter='*' steps=--gtest_filter='*/cuda*' bench=
    small=--gtest_filter='*/cuda*small*:*small*/cuda*' main=() check=(-s -n 128 -b 67 -e 2)
fi
f_main() { # NAME SECONDS RANKS FLAGS...
    local name=$1 most=$2 ranks=$3
    shift 3
    part "$name" "$most" mpirun -np "$ranks" "$f/main" --device cuda "$@"
}
# Small tests that have every kernel, tile and barrier between them. Racecheck takes some 40 ms for each launch, so
# it has the fewest launches that still do, about 300 in place of 1000.
subset='*GemmIsExactOnSmallIntegers:*GemmKeepsEveryNaN*:*LayerOfPixels*:*GradientInChunks*:*Bf16x3IsExact*'
subset+=':*HeadIsRightForMoreInputsThanThreads:*HeadIsRightForMoreSamplesThanABlockHolds:*StepAddsTheParts*'
subset+=':*Gather*:*SumOfSquaresIsRight*:*LayerOfActivations*:*DeltaBelow*:*Descent*:Int8.IsExact*:Persistent.*Numbered*'
few='*Bf16x3IsExact*:*StepAddsTheParts*:*SumOfSquaresIsRight*:*HeadIsRightForMoreSamplesThanABlockHolds'
few+=':*HeadIsRightForAsManyClassesAsItTakes:*HeadIsRightForMostClasses:*HeadIsRightForEveryKindOfLogits'
few+=':*HeadShowsATarget*:Course.ProductsOfWholeNumbers*:Course.OutputsAddTheirBias:Course.OutputsHaveNoLimit'
few+=':Int8.IsExact*:Persistent.*Numbered*:*LayerKeepsNaN*:*DescentBeside*:*DeltaBelow*:*GradientOfActivations*:*GemmIsExactOnSmallIntegers'
sanitize() { # SECONDS TOOL...
    local most=$1 sanitizer tool tests
    shift
    sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
    if [[ -z $sanitizer ]]; then
        [[ -n $trial ]] || echo "not here   compute-sanitizer: it comes with the CUDA Toolkit" | tee -a "$table"
        return
    fi
    [[ -z $trial ]] || return
    for tool in "$@"; do
        tests=$subset
        [[ $tool != racecheck ]] || tests=$few
        part "sanitizer-$tool" "$most" "$sanitizer" --tool "$tool" --error-exitcode 9 --launch-timeout 60 \
            "$f/kernel_tests" --gtest_filter="$tests" &
    done
}
sanitizers=(memcheck racecheck synccheck initcheck)
if [[ $what == sanitize || $what == racecheck ]]; then
    [[ $what != racecheck ]] || sanitizers=(racecheck)
    sanitize "$limit" "${sanitizers[@]}"
    wait
    tar -C "$at" -czf "$out/logs.tar.gz" logs
    [[ ! -e $at/failed ]]
    exit
fi
# Is it right? Side by side, for none of these is timed.
part kernels-float 90 "$f/kernel_tests" "$tests" &
part kernels-double 90 "$d/kernel_tests" "$tests" &
f_main check-1-rank 60 1 "${check[@]}" &
f_main check-3-ranks 60 3 "${check[@]}" &
part train-float-1 90 mpirun -np 1 "$f/train_tests" "$steps" &
wait
# How fast is it? Alone on the machine.
f_main default-1-rank 30 1 "${main[@]}"
f_main default-persistent 30 1 "${main[@]}" --gemm persistent
f_main default-int8 30 1 "${main[@]}" --gemm int8
if [[ -z $trial ]]; then
    f_main shape-100-800 20 1 -n 100 -b 800 -e 10
    part limits 20 "$f/gpu_limits" --csv "$out/limits.csv"
fi
part bench-float 100 "$f/gpu_bench" ${bench:+"$bench"} --csv "$at/float.csv"
[[ -n $trial ]] || part bench-torch 50 python3 -B bench/gpu_torch.py --csv "$at/torch.csv"
# What sanitizers say, and several ranks: side by side again.
sanitize 60 "${sanitizers[@]}"
part train-float-2-small 60 mpirun -np 2 "$f/train_tests" "$small" &
part train-double-2-small 60 mpirun -np 2 "$d/train_tests" "$small" &
wait
# What holds each kernel back, alone.
ncu=$(command -v ncu || ls /usr/local/cuda/bin/ncu 2>/dev/null)
if [[ -n $ncu && -z $trial ]]; then
    for shape in 200-24 100-800 512-256 1024-1024; do
        for gemm in fp32 bf16x3 int8 persistent; do
            part "ncu-$shape-$gemm" 20 "$ncu" --clock-control none -k 'regex:gemm|digits|head|update|persistent' -s 4 -c 4 \
                --section SpeedOfLight --section WarpStateStats --section SchedulerStats --section Occupancy \
                --section LaunchStats --section MemoryWorkloadAnalysis --section InstructionStats \
                "$f/main" --device cuda --gemm $gemm -n "${shape%-*}" -b "${shape#*-}" --train-size 4096 -e 1
        done
    done
fi
part bench-double 60 "$d/gpu_bench" ${bench:+"$bench"} --csv "$at/double.csv"
# One table of what was measured, also of programs that were stopped at their limit.
first=
for csv in "$at"/{float,torch,double}.csv; do
    [[ -f $csv ]] || continue
    if [[ -z $first ]]; then
        first=$csv header=$(grep -m1 -v '^# ' "$csv")
        cat "$csv"
    else
        grep -vxF "$header" "$csv"
    fi
done >"$out/gpu.csv"
[[ ! -s $out/gpu.csv ]] || part report 60 python3 -B bench/gpu_report.py --read "$out/gpu.csv" \
    --model "$f/gpu_model" "$d/gpu_model" --out "$at/report"
mkdir -p "$at/report"
tar -C "$at" -czf "$out/logs.tar.gz" logs report
echo "# the table again, from $out/table.txt:"
cat "$table"
[[ ! -e $at/failed ]]
