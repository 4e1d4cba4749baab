#!/bin/bash
# golden.sh BUILD [--write]: trainings end in the bits in which they always did.
#
# Short trainings by main_gpuhost on the first images of MNIST, whose parameters have checksums in
# float.txt or double.txt: ranks, checksum, flags. They hold on every x86-64 processor and for every
# MPI; on another processor it skips. On the CPU, --isa baseline of x86-64 has no fused multiply-add
# (that of aarch64 has), and exp and log are our own, so any number of ranks and threads gives the same
# bits; each of these is run once more with glibc's variants for newer processors switched off. The
# kernel runner is run in float alone, because glibc's exp of a double rounds otherwise where the
# processor has FMA; with --gemm fp32; and on at most two ranks, because the order of three addends is
# MPI's. Where bits change on purpose, --write writes the file anew, and the commit says why.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tests/golden/golden.sh BUILD [--write]}
kept=tests/golden/$([[ $build == *double* ]] && echo double || echo float).txt
. tests/mpi_env.sh
if [[ $(uname -m) != x86_64 ]]; then
    echo "# the checksums are those of x86-64: --isa baseline rounds otherwise on $(uname -m)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tools/first_images.py data "$scratch" 600 20

train() { # RANKS FLAGS
    # shellcheck disable=SC2086 # several flags in one word
    GPUHOST_CAPABILITY=90 mpirun -np "$1" "$build/main_gpuhost" --gemm fp32 --data "$scratch" $2 \
        >"$scratch/log" 2>&1 </dev/null || cat "$scratch/log" >&2
}
checksum() { # RANKS FLAGS
    rm -f "$scratch/out"
    train "$1" "$2 --save $scratch/out"
    tools/parameters_checksum.py "$scratch/out" 2>/dev/null || echo failed
}
passed=0 failed=0
compare() { # FOUND EXPECTED WHAT
    if [[ $1 == "$2" ]]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAIL  $3: $1, kept is $2"
    fi
}
while read -r ranks expected flags; do
    found=$(checksum "$ranks" "$flags")
    printf '%s %s %s\n' "$ranks" "$found" "$flags" >>"$scratch/new"
    compare "$found" "$expected" "$flags on $ranks ranks"
    [[ $flags == *"--device cpu"* ]] || continue
    found=$(GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F checksum "$ranks" "$flags")
    compare "$found" "$expected" "$flags on $ranks ranks, with the oldest variants of glibc"
done <"$kept"
# A checkpoint of two ranks, resumed on three.
read -r _ expected flags < <(grep -e '--device cpu.* -e 2' "$kept")
train 2 "${flags% -e 2} -e 1 --checkpoint $scratch/state"
compare "$(checksum 3 "$flags --checkpoint $scratch/state --resume")" "$expected" \
    "$flags, begun on 2 ranks and resumed on 3"
if [[ ${2:-} == --write ]]; then
    cp "$scratch/new" "$kept"
    exit 0
fi
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
