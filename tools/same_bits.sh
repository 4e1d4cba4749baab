#!/bin/bash
# same_bits.sh COMMIT: do this tree and COMMIT train to the same bits on this machine?
#
# It builds both in float and in double, lets each run the same matrix of short trainings, and
# compares the checksums of the files that --save writes: CPU and kernel runner, 1, 2, 3 and 5 ranks,
# both ways to sum and to feed, reg, decay, threads, a resume. Bits depend on the processor, so only
# builds on one machine can be compared. Exit code 1 names the trainings that differ.
# The base is built once a commit, in build/same-bits.
set -euo pipefail
cd "$(dirname "$0")/.."
(($# == 1)) || { echo "usage: tools/same_bits.sh COMMIT" >&2; exit 2; }
commit=$(git rev-parse --verify --quiet "$1^{commit}") ||
    { echo "same_bits.sh: '$1' is no commit of this repository" >&2; exit 2; }
base=$PWD/build/same-bits/$commit
here=$PWD
. tests/mpi_env.sh

if [[ ! -x $base/build/double/main_gpuhost ]]; then
    mkdir -p "$base"
    git archive "$commit" | tar -x -C "$base"
fi
for tree in "$base" "$here"; do
    for double in "" -DUSE_DOUBLE; do
        real=$([[ -z $double ]] && echo float || echo double)
        make -C "$tree" --no-print-directory CUDA=0 DOUBLE_FLAG=$double \
            "build/$real/main" "build/$real/main_gpuhost" >"$tree/build.log" 2>&1 ||
            { tail -n 20 "$tree/build.log" >&2; echo "same_bits.sh: $tree does not build" >&2; exit 2; }
    done
done
rm -f "$here/build.log"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A small set, so that evaluating it takes no time: the first images of each file.
python3 - data "$scratch" <<'PYTHON'
import gzip, struct, sys
for name, header, size, count in (("train-images-idx3-ubyte", 16, 784, 2000), ("train-labels-idx1-ubyte", 8, 1, 2000),
                                  ("t10k-images-idx3-ubyte", 16, 784, 50), ("t10k-labels-idx1-ubyte", 8, 1, 50)):
    with gzip.open(f"{sys.argv[1]}/{name}.gz") as file:
        bytes_ = bytearray(file.read(header + size * count))
    bytes_[4:8] = struct.pack(">I", count)
    open(f"{sys.argv[2]}/{name}", "wb").write(bytes_)
PYTHON

# One training: RANKS PROGRAM FLAGS...; prints the checksum of its parameters.
trained() { # TREE REAL RANKS PROGRAM FLAGS...
    local tree=$1 real=$2 ranks=$3 program=$4 out=$scratch/out.safetensors
    shift 4
    rm -f "$out"
    (cd "$tree" && GPUHOST_CAPABILITY=${capability:-90} mpirun -np "$ranks" "build/$real/$program" \
        --data "$scratch" --save "$out" "$@") >"$scratch/log" 2>&1 </dev/null ||
        { tail -n 5 "$scratch/log" >&2; echo failed; return; }
    tools/parameters_checksum.py "$out"
}
differ=0 same=0
judge() { # WHAT CHECKSUM CHECKSUM
    if [[ $2 == "$3" && $2 != failed ]]; then
        same=$((same + 1))
    else
        differ=$((differ + 1))
        echo "DIFFERS  $1: $2, now $3"
    fi
}
compare() { # REAL RANKS PROGRAM FLAGS...
    judge "$*" "$(trained "$base" "$@")" "$(trained "$here" "$@")"
}

few=(-n "30,20" -b 50 --train-size 1990 -l 0.5 --lr-decay 0.9 -r 1e-3)
small=("${few[@]}" -e 2)
wide=(-n 200 -b 200 -e 1)
for real in float double; do
    for ranks in 1 2 3 5; do
        for allreduce in mpi auto; do
            for feed in once every-step; do
                compare $real $ranks main --device cpu "${small[@]}" --allreduce $allreduce --scatter $feed
            done
        done
        compare $real $ranks main --device cpu "${wide[@]}" --threads 2
        compare $real $ranks main --device cpu "${wide[@]}" -r 0 --no-shuffle --threads 1 --loss mse --output sigmoid
        compare $real $ranks main_gpuhost --device cuda "${small[@]}"
        compare $real $ranks main_gpuhost --device cuda "${small[@]}" --scatter every-step --gemm fp32
    done
    capability=75 compare $real 2 main_gpuhost --device cuda "${small[@]}"
    compare $real 1 main_gpuhost --device cuda -n 160 -b 100 -e 1
    compare $real 2 main_gpuhost --device cuda -n 400 -b 100 -e 1
done
# A resume: both trees go on from the same state, the base's.
(cd "$base" && mpirun -np 2 build/float/main --device cpu --data "$scratch" "${small[@]}" \
    --checkpoint "$scratch/state") >/dev/null 2>&1 </dev/null
go_on() { # TREE
    rm -rf "$scratch/copy"
    cp -r "$scratch/state" "$scratch/copy"
    trained "$1" float 2 main --device cpu "${few[@]}" -e 4 --resume --checkpoint "$scratch/copy"
}
judge "a resumed run" "$(go_on "$base")" "$(go_on "$here")"

echo "$same trainings end in the same bits, $differ do not"
((differ == 0))
