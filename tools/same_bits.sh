#!/bin/bash
# same_bits.sh COMMIT: do this tree and COMMIT train to the same bits on this machine?
#
# It builds both in float and in double, lets each run the same matrix of short trainings, and
# compares the checksums of the files that --save writes: CPU and kernel runner, 1, 2, 3 and 5 ranks,
# both ways to sum and to feed, reg, decay, threads, a resume. Each training is a line; exit code 1
# says that one differs or fails. Bits depend on the processor, so only builds on one machine can be
# compared. The base is built once a commit, in build/same-bits, and its checksums are kept there.
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
            "build/$real/main" "build/$real/main_gpuhost" >"$here/build/same-bits/build.log" 2>&1 || {
            tail -n 20 build/same-bits/build.log >&2
            echo "same_bits.sh: $tree does not build" >&2
            exit 2
        }
    done
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tools/first_images.py data "$scratch" 2000 50
# What the base's bits depend on beside its sources.
kept=$base.$({ grep -m1 '^model name' /proc/cpuinfo; mpirun --version; g++ --version; } 2>/dev/null | cksum | cut -d' ' -f1)
touch "$kept"

# One training: RANKS PROGRAM FLAGS...; prints the checksum of its parameters, or "failed: why".
trained() { # TREE REAL RANKS PROGRAM FLAGS...
    local tree=$1 real=$2 ranks=$3 program=$4 out=$scratch/out.safetensors
    shift 4
    rm -f "$out"
    if (cd "$tree" && GPUHOST_CAPABILITY=${capability:-90} mpirun -np "$ranks" "build/$real/$program" \
        --data "$scratch" --save "$out" "$@") >"$scratch/log" 2>&1 </dev/null; then
        tools/parameters_checksum.py "$out"
    else
        # The program's own words, not mpirun's about them.
        echo "failed: $(grep -m1 -E '^main|error|terminate' "$scratch/log" || tail -n 1 "$scratch/log")"
    fi
}
differ=0 same=0
judge() { # WHAT CHECKSUM CHECKSUM
    if [[ $2 == "$3" && $2 != failed* ]]; then
        same=$((same + 1))
        echo "same     $2  $1"
    else
        differ=$((differ + 1))
        echo "DIFFERS  $2, now $3  $1"
    fi
}
compare() { # REAL RANKS PROGRAM FLAGS...
    local what="$*" before
    [[ ${capability:-90} == 90 ]] || what+=" on a GPU of $capability"
    before=$(sed -n "s/^\([0-9a-f]*\) $what\$/\1/p" "$kept" | tail -n 1)
    if [[ -z $before ]]; then
        before=$(trained "$base" "$@")
        [[ $before == failed* ]] || echo "$before $what" >>"$kept"
    fi
    judge "$what" "$before" "$(trained "$here" "$@")"
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
