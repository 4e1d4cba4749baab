#!/bin/bash
# setup.sh WHAT...: sees to it that what is needed is installed. WHAT: build, test, bench,
# pictures, browser, fuzz, interop, qemu, slurm, lint.
#
# It looks for the programs, headers and libraries themselves, not for packages, so that what came
# by "module load" or from source counts. What is missing is installed with apt-get by root, or by
# sudo where that asks for no password; otherwise it is named and the exit code is 2. With nothing
# missing it is silent, takes a tenth of a second and never calls apt-get. make calls it.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # the Slurm daemons are there, for users as well

declare -A package=() # what is missing -> the Debian package that has it

need_program() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || package[$1]=$2
}
need_library() { # NAME PACKAGE: libNAME, where the compiler looks for it
    local file
    for file in "lib$1.so" "lib$1.a"; do
        # The compiler answers with a path for a library that it finds, with the bare name otherwise.
        [[ $(g++ -print-file-name="$file" 2>/dev/null) != */* ]] || return 0
    done
    package[lib$1]=$2
}
need_headers() { # HEADER PACKAGE...: one run of the preprocessor finds all that are missing
    local compiler missing header
    compiler=$(command -v mpicxx || command -v g++) || compiler=false
    local -A package_of=()
    while (($#)); do
        package_of[$1]=$2
        shift 2
    done
    missing=$(for header in "${!package_of[@]}"; do
        printf '#if !__has_include(<%s>)\nmissing %s\n#endif\n' "$header" "$header"
    done | "$compiler" -std=c++20 -E -P -x c++ - 2>/dev/null) ||
        missing=$(printf 'missing %s\n' "${!package_of[@]}") # no compiler, or one without C++20
    while read -r _ header; do
        [[ -z $header ]] || package[$header]=${package_of[$header]}
    done <<<"$missing"
}

(($#)) || set -- help
for what in "$@"; do
    case $what in
    build)
        need_program make make
        need_program g++ g++
        need_program mpicxx libopenmpi-dev
        need_program mpirun openmpi-bin
        need_headers span g++ mpi.h libopenmpi-dev zlib.h zlib1g-dev CLI/CLI.hpp libcli11-dev \
            png.h libpng-dev jpeglib.h libjpeg-dev zip.h libzip-dev csv.h libcsv-dev \
            nlohmann/json.hpp nlohmann-json3-dev
        need_library z zlib1g-dev
        need_library png libpng-dev
        need_library jpeg libjpeg-dev
        need_library zip libzip-dev
        need_library csv libcsv-dev
        ;;
    test)
        need_headers gtest/gtest.h libgtest-dev \
            boost/context/detail/fcontext.hpp libboost-context-dev
        need_library gtest libgtest-dev
        need_library boost_context libboost-context-dev
        ;;
    qemu)
        need_program qemu-aarch64 qemu-user
        need_program qemu-x86_64 qemu-user
        need_program aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
        ;;
    slurm)
        need_program slurmctld slurmctld
        need_program slurmd slurmd
        need_program sbatch slurm-client
        need_program munged munge
        need_program ip iproute2
        ;;
    bench)
        need_program python3 python3
        need_headers dnnl.h libdnnl-dev
        need_library dnnl libdnnl-dev
        python3 -c 'import venv, ensurepip' 2>/dev/null || package[venv]=python3-venv
        ;;
    pictures)
        [[ -x /usr/bin/python3 ]] || package[python3]=python3
        /usr/bin/python3 -c 'import numpy' 2>/dev/null || package[numpy]=python3-numpy
        ;;
    interop)
        need_program python3 python3
        [[ -x /usr/bin/python3 ]] || package[python3]=python3
        /usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null || package[venv]=python3-venv
        /usr/bin/python3 -c 'import numpy' 2>/dev/null || package[numpy]=python3-numpy
        /usr/bin/python3 -c 'import torch' 2>/dev/null || package[torch]=python3-torch
        ;;
    browser)
        need_program python3 python3
        # The names that tests/browser/chromium.py looks for.
        command -v chromium-browser google-chrome google-chrome-stable >/dev/null ||
            need_program chromium chromium
        ;;
    fuzz)
        need_program clang++ clang
        # Debian keeps libFuzzer in a package of its own.
        clang++ -fsanitize=fuzzer -x c++ -o /dev/null - 2>/dev/null <<<'#include <cstddef>
            extern "C" int LLVMFuzzerTestOneInput(const char*, std::size_t) { return 0; }' ||
            package[libFuzzer]=libclang-rt-dev
        ;;
    lint)
        need_program clang-format clang-format
        need_program clang-tidy clang-tidy
        need_program cppcheck cppcheck
        need_program shellcheck shellcheck
        ;;
    *)
        echo "usage: tools/setup.sh build|test|bench|pictures|browser|interop|qemu|slurm|fuzz|lint ..." >&2
        exit 2
        ;;
    esac
done
((${#package[@]})) || exit 0

mapfile -t missing < <(printf '%s\n' "${!package[@]}" | sort)
mapfile -t packages < <(printf '%s\n' "${package[@]}" | sort -u)
by_hand() { # WHY
    cat >&2 <<END
setup.sh: $1. Missing: ${missing[*]}
    On Debian or Ubuntu:  sudo apt-get update && sudo apt-get install ${packages[*]}
    On a cluster:         module load gcc openmpi cuda   (see "module avail" for the names there)
END
    exit 2
}

as_root=()
if [[ $(id -u) != 0 ]]; then
    as_root=(sudo -n)
    "${as_root[@]}" true 2>/dev/null ||
        by_hand "this takes root, or sudo without a password, and you have neither"
fi
command -v apt-get >/dev/null || by_hand "there is no apt-get on this system"

echo "setup.sh: missing: ${missing[*]}; installing with apt-get: ${packages[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300)
if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "${packages[@]}"; } \
    >"$log" 2>&1 </dev/null; then
    grep -E '^[EW]:' "$log" | tail -n 5 >&2 || tail -n 5 "$log" >&2
    by_hand "apt-get failed (see above; is there a network?)"
fi
