#!/bin/bash
# test_make.sh: the Makefile only reads while it parses, asks the machine once, and rebuilds enough.
#
# It works on a copy without build/. First setup.sh and toolchain.sh there tell when they are called.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# As git writes them on a system with other line ends, by .gitattributes.
! git rev-parse --git-dir >/dev/null 2>&1 ||
    git -c core.autocrlf=true -c core.eol=crlf checkout-index -a -f --prefix="$copy/crlf/"
tar --exclude=./build --exclude=./data --exclude=./.git --exclude=./bench/results --exclude=./main -c . |
    tar -C "$copy" -x
cd "$copy"
unset MAKEFLAGS MAKELEVEL MFLAGS MAKE_RESTARTS
export CUDA=0

passed=0 failed=0
check() { # STATEMENT COMMAND...
    if "${@:2}" >log 2>&1; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAIL  $1"
        sed 's/^/    | /' log
    fi
}
# shellcheck disable=SC2317 # check calls them
untouched() { # MAKE'S ARGUMENTS...: it neither installs nor writes, whatever its exit code
    rm -rf build called
    make "$@" >out 2>&1 || true
    ! grep -F '***' out || return 1
    [[ ! -e build && ! -e main && ! -e called ]] || { find build main called; return 1; }
}
# shellcheck disable=SC2317
called_by() { # TIMES MAKE'S ARGUMENTS...: so often setup.sh was called
    : >called
    make -s "${@:2}" || { cat called; return 1; }
    [[ $(grep -c setup called) == "$1" ]] || { cat called; return 1; }
}

cp tools/setup.sh setup.real
for tool in setup toolchain; do
    { echo '#!/bin/bash'; echo "echo $tool \"\$*\" >>'$copy/called'"; sed 1d tools/$tool.sh; } >tools/new
    chmod +x tools/new
    [[ $tool != setup ]] || sed -i '3,$d' tools/new # it tells and installs nothing
    [[ $tool != toolchain ]] || sed -i 2d tools/new # it is asked while make looks, and writes nothing
    mv tools/new tools/$tool.sh
done
for arguments in -n -q -npq help clean "-n test" "-n check" "-q lint" "-n run" "-n fuzz"; do
    # shellcheck disable=SC2086 # several words
    check "make $arguments installs and writes nothing" untouched $arguments
done
rm -rf build
check "what is missing is installed before anything is built" called_by 1 build/float/src/base/text.o
check "... and once" called_by 0 build/float/src/base/text.o
check "tests need a tier of their own" called_by 1 build/.setup-test
check "... once" called_by 0 build/.setup-test
# What "module load" changes: the machine is asked again.
check "another CUDA_HOME is noticed" called_by 1 CUDA_HOME=/somewhere build/float/src/base/text.o
# shellcheck disable=SC2016 # for the inner shell
check "another PATH is noticed" env PATH="$copy/bin:$PATH" bash -c \
    'mkdir bin && ln -s "$(command -v mpicxx)" bin/ && make build/.setup-build && grep -q "$PWD/bin/mpicxx" build/float/toolchain.mk'
mkdir mpi && printf '#!/bin/sh\n' | tee mpi/wrapper mpi/mpirun.own mpi/mpiexec.own >mpi/mpirun
chmod +x mpi/* && ln -s wrapper mpi/mpicxx.own && ln -s mpicxx.own mpi/mpicxx
check "the mpirun of an MPI is found beside its compiler, through links" bash -c \
    'MPICXX=mpi/mpicxx tools/toolchain.sh | grep -qx "MPI_STARTER := mpi/mpirun.own"'
echo 'exit 2' >>tools/setup.sh
rm -rf build
check "where installing fails nothing is built" bash -c '! make main && ! test -e build/float/main.o'

cp setup.real tools/setup.sh
deep=src/device/gpu/product.h object=build/float/gpuhost/src/device/gpu/gemm_fma.o
check "a kernel's object is built" make $object
check "make -q says that it is up to date" make -q $object
touch -d "1 hour" $deep
check "a header deep in src/device/gpu makes it old" bash -c "! make -q $object"
check "other flags make it old" bash -c "touch -d '1 hour ago' $deep && make -q $object && ! make -q CXX=c++ $object"
# hw6.sh starts ranks by the MPI's own launcher, whose version may be told in other words.
check "another name of the launcher makes nothing old" bash -c \
    "ln -s \$(command -v mpirun) bin/mpirun.other && make MPIRUN=$copy/bin/mpirun.other $object >out && ! grep GPUHOST out"
if [[ -d crlf ]]; then
    check "every text keeps its line ends on every checkout" \
        bash -c "[[ -s crlf/main.cpp ]] && ! grep -rlI --exclude-dir=corpus \$'\r' crlf"
fi
# shellcheck disable=SC2317
says_why_nothing_ran() { # GOAL: it builds nothing, and one line says why
    make "$1" >out 2>&1 && [[ $(grep -c "make $1: nothing was run" out) == 1 ]] && ! grep -E 'MPICXX|NVCC' out
}
for goal in gpu-first-run gpu-sanitize; do
    check "make $goal says why it runs nothing here" says_why_nothing_ran $goal
done
check "for a GPU, make gpu-first-run is run.sh within its seconds" \
    bash -c "make -n HAS_GPU=1 ARGS=99 gpu-first-run | grep -q 'run.sh build/gpu-first-run 99'"
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
