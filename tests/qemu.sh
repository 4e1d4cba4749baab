#!/bin/bash
# qemu.sh: the CPU's arithmetic on processors that this machine is not.
#
# qemu-user runs it as an aarch64 processor, an x86-64 without AVX, and one with AVX2 and no AVX-512.
# On each, the unit tests of the instruction set that the program has to choose there, a training
# that the reference checks, and the refusal of a set that is not there. Losses have to agree with
# this machine's own. The unit tests of arithmetic, of layouts and of files of networks run as aarch64
# too. Left out: what measures the emulator, or takes a minute in it. Libraries for aarch64 come from
# Debian's archive, into build/ alone.
# Where qemu, a compiler or these cannot be had, it skips and says why; REQUIRE_QEMU=1 forbids that.
set -euo pipefail
cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL MFLAGS
export GTEST_COLOR=no
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
system=build/aarch64-system arm=aarch64-linux-gnu

skip() { # WHAT WHY
    echo "# $1 skipped: $2"
    if [[ ${REQUIRE_QEMU:-0} == 1 ]]; then failed=$((failed + 1)); else skipped=$((skipped + 1)); fi
}
verdict() { # STATUS WHAT LOG
    if (($1 == 0)); then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAIL  $2"
        sed 's/^/    | /' "$3"
    fi
}
finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    exit $((failed > 0))
}

# ---- what it takes -------------------------------------------------------------------------------
# What setup.sh looks for to build and to test.
mapfile -t wanted < <(sed -n '/^    build)/,/^    qemu)/s/.*need_library [^ ]* //p' tools/setup.sh)
wanted+=(libstdc++6)
# libraries: what the program is linked with, for aarch64, and all that this needs in turn. apt-get
# sees a system of its own, with nothing installed; this machine's list of packages stays as it is.
libraries() {
    local apt=$work/apt settings file
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    settings=(-o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$apt/state"
        -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
    apt-get "${settings[@]}" update &&
        apt-get "${settings[@]}" install -y --download-only --no-install-recommends \
            "${wanted[@]}" || return
    rm -rf "$system"
    mkdir -p "$system"
    for file in "$apt"/cache/archives/*.deb; do
        # The cross compiler has the C library's headers, and a libc.so of its own.
        [[ $file == */libc6-dev_* ]] || dpkg-deb -x "$file" "$system" || return
    done
    echo "${wanted[*]}" >"$system/packages"
}
build_for_arm() {
    # Some libraries have a header for each architecture, as libjpeg.
    CPATH=$system/usr/include/$arm make --no-print-directory DOUBLE_FLAG= DEBUG=0 SANITIZE= CUDA=0 B=build/aarch64 \
        CXX=$arm-g++ MPICXX=$arm-g++ "LDFLAGS=-L$system/usr/lib/$arm -Wl,-rpath-link=$system/usr/lib/$arm:$system/lib/$arm" \
        build/aarch64/bench/main_no_mpi build/aarch64/tests/unit_tests_no_mpi
}

if ! tools/setup.sh qemu >"$work/log" 2>&1; then
    skip "all" "$(grep -v '^ ' "$work/log" | tail -n 1)"
    finish
fi
tools/first_images.py data "$work/data" 600 100

# ---- on one processor ----------------------------------------------------------------------------
train() { # ISA PROGRAM...: a training of the small set by this instruction set
    local isa=$1
    shift
    "$@" --isa "$isa" --device cpu --data "$work/data" -n 50 -e 2 --seed 1 -s
}
losses() { sed -n 's/^epoch .*  loss \([0-9.]*\).*/\1/p' "$1"; }

# on NAME BUILD ISA ABSENT FILTER QEMU...: the programs of a build have to choose ISA there, and to
# refuse ABSENT.
on() {
    local name=$1 build=$2 isa=$3 absent=$4 filter=$5 log=$work/log.on status=0 ran seconds=$SECONDS
    shift 5
    "$@" "$build/tests/unit_tests_no_mpi" "--gtest_filter=$filter" >"$log" 2>&1 </dev/null || status=$?
    ran=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log")
    ((${ran:-0} > 0)) || status=1
    if ((status == 0)); then passed=$((passed + ran)); else
        verdict 1 "$name: unit tests" "$log"
    fi

    status=0
    train auto "$@" "$build/bench/main_no_mpi" >"$log" 2>&1 </dev/null || status=$?
    if ! grep -q "CPU ($isa, " "$log" || ! grep -q '^CHECK PASSED' "$log"; then status=1; fi
    verdict "$status" "$name: training by $isa, which the reference checks" "$log"
    # Both are within the reference's bound, so they differ by rounding alone: by 1 in the last digit.
    status=0
    paste <(losses "$work/here") <(losses "$log") | awk '
        { d = $1 - $2; if (NF != 2 || d > 1.5e-5 || d < -1.5e-5) bad = 1 }
        END { exit bad || NR != 2 }' || status=1
    verdict "$status" "$name: the losses of a training here, $(losses "$work/here" | paste -sd ' ')" "$log"

    status=0
    train "$absent" "$@" "$build/bench/main_no_mpi" >"$log" 2>&1 </dev/null || status=$?
    [[ $status == 2 ]] && grep -q "^main: --isa $absent: " "$log" && status=0 || status=1
    verdict "$status" "$name: --isa $absent is refused" "$log"
    echo "# $name: chooses $isa, refuses $absent; ${ran:-no} unit tests; $((SECONDS - seconds)) s"
}
# What this machine tests itself at every shape: there it is enough that each product runs and is exact.
products() { echo "EachThatRuns/Cpu*/$1:-*CpuSameBits*:*ForEvery*"; }
slow='*/wide:*Large:*CpuSameBits.GradientIsOneChainH*'
of_emulator='Team.FailsWhere*:Bf16x3.*'

train baseline build/float/bench/main_no_mpi >"$work/here" 2>&1 </dev/null || verdict 1 "a training here" "$work/here"
version=$(qemu-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')
if [[ $(uname -m) != x86_64 ]]; then
    skip "x86-64" "there is a build for x86-64 on such a machine alone"
else
    on "x86-64 without AVX" build/float baseline avx2 "$(products baseline)" qemu-x86_64 -cpu Nehalem
    if [[ $(printf '%s\n' 7.2 "$version" | sort -V | head -n 1) == 7.2 ]]; then
        on "x86-64 with AVX2" build/float avx2 avx512 "$(products avx2)" qemu-x86_64 -cpu max
    else
        skip "x86-64 with AVX2" "qemu $version has no AVX2, but 7.2 has"
    fi
fi
if [[ $(cat "$system/packages" 2>/dev/null) != "${wanted[*]}" ]] && ! libraries >"$work/log" 2>&1; then
    skip "aarch64" "its libraries cannot be fetched: $(tail -n 1 "$work/log")"
elif ! build_for_arm >"$work/log" 2>&1; then
    verdict 1 "aarch64: the build" "$work/log"
else
    on "aarch64" build/aarch64 baseline avx2 "-$slow:$of_emulator" qemu-aarch64 -L "$system"
fi
finish
