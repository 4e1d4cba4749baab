#!/bin/bash
# pack.sh [CAPABILITY=90 | trial]: packs build/gpu-kit, all that a first run on a bare GPU machine
# needs: it has the driver and Python, but neither nvcc nor MPI nor a network.
#
# In it: main, the tests and the benchmark in float and double, for GPUs of one compute capability,
# their libraries, an Open MPI, and run.sh, which runs them there. Without the project's tree it
# lacks only data/ and bench/*.py. "trial" packs the same programs with kernels for the kernel
# runner, to try the kit where there is no GPU.
set -euo pipefail
cd "$(dirname "$0")/../.."
capability=${1:-90} kit=build/gpu-kit
[[ $capability =~ ^([0-9]+|trial)$ ]] || {
    echo "usage: tools/gpu_kit/pack.sh [CAPABILITY | trial], for example 90 for an H100" >&2
    exit 2
}
if [[ $capability == trial ]]; then
    programs=(main_gpuhost tests/{kernel,train}_tests_gpuhost bench/gpu_bench_gpuhost bench/gpu_model)
    settings=()
else
    programs=(main tests/{kernel,train}_tests_cuda bench/gpu_bench bench/gpu_model)
    settings=(CUDA=1 "GPU_FOUND=$capability")
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for real in float double; do
    limits=() # no part of it depends on the type
    [[ $real == double || $capability == trial ]] || limits=(bench/gpu_limits)
    make --no-print-directory "${settings[@]}" DOUBLE_FLAG="$([[ $real == float ]] || echo -DUSE_DOUBLE)" \
        "${programs[@]/#/build/$real/}" "${limits[@]/#/build/$real/}"
    mkdir -p "$work/$real"
    for program in "${programs[@]}" "${limits[@]}"; do
        name=${program##*/} # the same for both kinds of kernels
        name=${name%_gpuhost}
        strip -o "$work/$real/${name%_cuda}" "build/$real/$program"
    done
done
# Every library but glibc's, the driver's and Open MPI's own, which come apart.
mkdir -p "$work/lib"
ldd "$work"/{float,double}/* | awk '$3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*|libcuda|libcublas(Lt)?|libmpi|libopen-[a-z]*)\.so' |
    xargs -r cp -L -t "$work/lib"
tools/gpu_kit/mpi.sh "$work/mpi"
rm -rf "$kit"
mkdir -p "$kit"
cp tools/gpu_kit/run.sh "$kit/"
tar -C "$work" -c float double lib mpi | xz -6 -T0 >"$kit/kit.tar.xz"
echo "$capability, commit $(git rev-parse HEAD 2>/dev/null || echo unknown)" >"$kit/made_for"
echo "# $(du -sh "$kit" | cut -f1) in $kit; carry the project's tree with it and run there:" \
    "bash $kit/run.sh FOLDER_FOR_RESULTS"
