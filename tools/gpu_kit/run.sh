#!/bin/bash
# run.sh RESULTS [SECONDS=360]: what make gpu-kit packed, run on a GPU machine in the project's root.
#
# Tests, sanitizer and benchmark, in the order of what is worth most, each within its own time, all
# within SECONDS. A line a part, also in RESULTS/table.txt; beside it the benchmark's gpu.csv and
# logs.tar.gz. It changes no setting of the machine. A kit for a trial runs on the kernel runner,
# few tests and tiny sizes. Exit code 1: a part failed, or ran no test.
set -u
out=${1:?usage: run.sh RESULTS [SECONDS]} limit=${2:-360}
kit=$(cd "$(dirname "$0")" && pwd) at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
mkdir -p "$out" "$at/logs"
python3 -c "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])" "$kit/kit.tar.xz" "$at" 2>/dev/null ||
    tar -C "$at" -xJf "$kit/kit.tar.xz"
trial=
! grep -q '^trial' "$kit/made_for" || trial=1
export LD_LIBRARY_PATH=$at/lib GTEST_COLOR=no
[[ -z $trial ]] || export GPUHOST_CAPABILITY=90
# shellcheck disable=SC1091 # packed
. "$at/mpi/env.sh"
blas=$(find / -xdev -name 'libcublas.so.1[0-9]*' -not -path '/proc/*' 2>/dev/null | head -n 1)
[[ -z $blas ]] || LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$(dirname "$blas")
start=$SECONDS table=$out/table.txt failed=0
{
    cat "$kit/made_for"
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
    [[ $word == ok ]] || failed=1
    printf '%-8s %4ss %s: %s passed, %s skipped %s\n' "$word" $((SECONDS - begin)) "$name" "$passed" "$skipped" "$said" |
        tee -a "$table"
    ((rc == 0)) || grep -nE 'Failure|rror|invalid|illegal|misaligned|terminate|what\(\)' "$log" | head -n 12 | cut -c1-220 |
        tee -a "$table"
}
f=$at/float d=$at/double
if [[ -n $trial ]]; then
    tests=--gtest_filter='*ExactOnSmallIntegers*' steps=--gtest_filter='On/Step.of_9_4_10*/cuda*' bench=--trial
    main=(--train-size 500 -n 16 -e 1)
else
    tests=--gtest_filter='*' steps=--gtest_filter='*/cuda*' bench=
    main=()
fi
check=(-s -n 128 -b 67 -e 2)
[[ -z $trial ]] || check=(-s -n 16 -b 67 -e 1 --train-size 300)
part kernels-float 60 "$f/kernel_tests" "$tests"
part default-1-rank 30 mpirun -np 1 "$f/main" --device cuda "${main[@]}"
[[ -n $trial ]] || part shape-100-800 20 mpirun -np 1 "$f/main" --device cuda -n 100 -b 800 -e 10
part check-1-rank 30 mpirun -np 1 "$f/main" --device cuda "${check[@]}"
part train-float-1 60 mpirun -np 1 "$f/train_tests" "$steps"
# Small tests that have every kernel, tile and barrier between them; racecheck is 50 to 200 times slower.
subset='*GemmIsExactOnSmallIntegers:*GemmKeepsEveryNaN*:*LayerOfPixels*:*GradientInChunks*:*Bf16x3IsExact*'
subset+=':*HeadIsRightForMoreInputsThanThreads:*HeadIsRightForMoreSamplesThanABlockHolds:*StepAddsTheParts*'
subset+=':*Gather*:*SumOfSquaresIsRight*'
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
sanitize() { # TOOL SECONDS
    [[ -z $sanitizer || -n $trial ]] || part "sanitizer-$1" "$2" "$sanitizer" --tool "$1" --error-exitcode 9 \
        --launch-timeout 30 "$f/kernel_tests" --gtest_filter="$subset"
}
sanitize memcheck 40
sanitize racecheck 50
part bench-float 110 "$f/gpu_bench" ${bench:+"$bench"} --csv "$at/float.csv"
[[ -n $trial ]] || part bench-torch 50 python3 -B bench/gpu_torch.py --csv "$at/torch.csv"
part kernels-double 40 "$d/kernel_tests" "$tests"
part check-3-ranks 40 mpirun -np 3 "$f/main" --device cuda "${check[@]}"
ncu=$(command -v ncu || ls /usr/local/cuda/bin/ncu 2>/dev/null)
[[ -z $ncu || -n $trial ]] || part wavefronts 30 "$ncu" --clock-control none -k regex:gemm -c 12 --metrics \
    l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum,smsp__sass_inst_executed_op_shared_ld.sum,gpu__time_duration.sum \
    "$f/kernel_tests" --gtest_filter='*LayerIsRightAtTheSizesOfTrainingLarge'
part bench-double 60 "$d/gpu_bench" ${bench:+"$bench"} --csv "$at/double.csv"
part train-float-2-small 40 mpirun -np 2 "$f/train_tests" "$([[ -n $trial ]] && echo "$steps" || echo --gtest_filter='*/cuda*small*:*small*/cuda*')"
part train-double-2-small 40 mpirun -np 2 "$d/train_tests" "$([[ -n $trial ]] && echo "$steps" || echo --gtest_filter='*small*/cuda*')"
sanitize synccheck 20
sanitize initcheck 20
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
exit "$failed"
