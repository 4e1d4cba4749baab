#!/bin/bash
# toolchain.sh: what this machine builds with, as assignments for make.
#
# make asks once and keeps the answer in its folder of objects, until one of the things that it
# depends on changes (make/toolchain.mk names them). MPICXX, CXX, CUDA and CUDA_HOME are read from
# the environment; what is not there is empty.
set -euo pipefail

say() { printf '%s := %s\n' "$1" "${2//\$/\$\$}"; } # NAME VALUE
first_line() { "$@" 2>/dev/null | sed -n 1p || true; }
cxx=${CXX:-g++} mpicxx=${MPICXX:-mpicxx}

say CCACHE "$(case "$cxx $mpicxx" in *ccache*) ;; *) command -v ccache || true ;; esac)"
say COMPILER "$(first_line "$mpicxx" --version)"
# A processor, and a compiler, for which the code for AVX2 and AVX-512 is built.
say X86_64 "$("$cxx" -dumpmachine 2>/dev/null | grep '^x86_64-' || true)"
say MPI "$(first_line "${MPIRUN:-mpirun}" --version)"
# The mpirun of this MPI lies beside its compiler, under a name with the same ending. Links are followed
# up to the last name of a compiler, because what they end at may be a wrapper of all languages.
compiler=$(command -v "$mpicxx" || true)
while next=$(readlink "$compiler") && [[ ${next##*/} == mpi* ]]; do
    [[ $next == /* ]] || next=${compiler%/*}/$next
    compiler=$next
done
ending=${compiler##*/} ending=${ending#"${ending%%.*}"}
starter=
for name in mpiexec mpirun; do
    [[ ! -x ${compiler%/*}/$name$ending ]] || starter=${compiler%/*}/$name$ending
done
say MPI_STARTER "$starter"
say MPI_INCLUDES "$(first_line "$mpicxx" -show | tr ' ' '\n' | sed -n 's/^-I//p' | paste -sd ' ')"

nvcc=
if [[ ${CUDA:-auto} != 0 ]]; then
    nvcc=$(command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" /usr/local/cuda/bin/nvcc 2>/dev/null || true)
    nvcc=${nvcc%%$'\n'*}
fi
say NVCC "$nvcc"
[[ -n $nvcc ]] || exit 0
say NVCC_VERSION "$("$nvcc" --version | grep -o 'V[0-9.]*' | tail -n 1)"
say NVCC_LIBS "$("$nvcc" --dryrun -x cu /dev/null 2>&1 | sed -n 's/.*LIBRARIES=//p' | tr -d '"')"
say NVCC_KNOWS "$("$nvcc" --list-gpu-code | sed 's/^sm_//' | paste -sd ' ')"
# The compute capabilities of this machine's GPUs: 80 90, for example.
say GPU_FOUND "$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null |
    grep -xE '[0-9]+\.[0-9]+' | tr -d . | sort -u | paste -sd ' ' || true)"
