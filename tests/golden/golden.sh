#!/bin/bash
# golden.sh BUILD [--write]: the kernel runner trains to the bits that it always did.
#
# Short trainings by main_gpuhost on the first images of MNIST, whose parameters have checksums in
# checksums.txt: ranks, checksum, flags. They hold on every processor and for every MPI: --gemm fp32,
# nothing of oneDNN or Eigen, no contraction; at most two ranks, for the order of three addends is
# MPI's; and float alone, for glibc's exp of a double rounds otherwise where the processor has FMA
# (tried with GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA). Where bits change on purpose, --write
# writes the file anew, and the commit says why.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tests/golden/golden.sh BUILD [--write]}
kept=tests/golden/checksums.txt
. tests/mpi_env.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tools/first_images.py data "$scratch" 600 20

checksum() { # RANKS FLAGS...
    rm -f "$scratch/out"
    # shellcheck disable=SC2086 # several flags in one word
    GPUHOST_CAPABILITY=90 mpirun -np "$1" "$build/main_gpuhost" --device cuda --gemm fp32 --data "$scratch" \
        --save "$scratch/out" $2 >"$scratch/log" 2>&1 </dev/null || cat "$scratch/log" >&2
    tools/parameters_checksum.py "$scratch/out" 2>/dev/null || echo failed
}
passed=0 failed=0
while read -r ranks expected flags; do
    found=$(checksum "$ranks" "$flags")
    printf '%s %s %s\n' "$ranks" "$found" "$flags" >>"$scratch/new"
    if [[ $found == "$expected" ]]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAIL  $flags on $ranks ranks: $found, kept is $expected"
    fi
done <"$kept"
if [[ ${2:-} == --write ]]; then
    cp "$scratch/new" "$kept"
    exit 0
fi
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
