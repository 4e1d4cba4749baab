#!/usr/bin/env bash
# planted.sh: proves that the kernel tests' net is sound, by planting defects in copies of
# gpu_func.cu, one at a time, and requiring that the check that is there for it catches each.
#
# The unchanged copy has to pass every check. A defect is a piece of text that has to stand in
# gpu_func.cu exactly once, and what replaces it: where the kernels changed, change it here too.
# Builds are small (-O0); CXX, DOUBLE_FLAG and JOBS are taken from the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."

cxx=${CXX:-g++}
jobs=${JOBS:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

read -ra double_flag <<<"${DOUBLE_FLAG:-}"
declare -A sanitizer=([plain]='' [asan]='-fsanitize=address,undefined -fno-sanitize-recover'
    [tsan]='-fsanitize=thread')
declare -A told=([plain]='' [asan]=-DGPUHOST_ASAN [tsan]=-DGPUHOST_TSAN)
# A sanitizer sees a defect in any order; it is the plain build that compares orders.
declare -A orders=([plain]=all-orders [asan]=forward [tsan]=forward)
# What a check says when it catches something.
declare -A words=([ASan]='ERROR: AddressSanitizer' [UBSan]='runtime error:'
    [TSan]='WARNING: ThreadSanitizer' [runner]='gpuhost: block' [NaN]='is not finite'
    [order]='depends on the order')
export ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=halt_on_error=1:atexit_sleep_ms=0

# compile BUILD SOURCE OBJECT FLAGS...
compile() {
    local build=$1 source=$2 object=$3
    shift 3
    "$cxx" -std=c++20 -O0 -g1 -ffp-contract=off "${double_flag[@]}" -Wno-unknown-pragmas \
        -I. -Itests/gpuhost "$@" -x c++ -c "$source" -o "$work/$build/$object.o"
}

# All that is the same for every defect.
prepare() {
    local build=$1 part
    mkdir "$work/$build"
    for part in gpuhost gpuhost_runtime; do # unsanitized: see fiber.h
        compile "$build" "tests/gpuhost/$part.cpp" "$part" -O2 ${told[$build]:+"${told[$build]}"}
    done
    # shellcheck disable=SC2086 # several flags in one word
    compile "$build" tests/gpuhost/planted_driver.cpp driver ${sanitizer[$build]}
}

# run BUILD SOURCE NAME: builds the driver on SOURCE and runs it, all output to $work/NAME.log.
# Returns 0 where the checks found nothing, 1 where one did, 2 where it did not build.
run() {
    local build=$1 source=$2 name=$3 log=$work/$3.log
    # shellcheck disable=SC2086 # several flags in one word
    { compile "$build" "$source" "$name" ${sanitizer[$build]} &&
        "$cxx" ${sanitizer[$build]} "$work/$build/$name.o" \
            "$work/$build"/{driver,gpuhost,gpuhost_runtime}.o -lboost_context \
            -o "$work/$name"; } >"$log" 2>&1 || return 2
    # The outer redirection silences the shell, which reports an abort on its own.
    { timeout 60 "$work/$name" "${orders[$build]}" >>"$log" 2>&1; } 2>/dev/null || return 1
}

# verdict NAME PASS|FAIL TEXT
verdict() {
    echo "$2 $3" >"$work/$1.verdict"
    [[ $2 == PASS ]] || tail -n 15 "$work/$1.log" | sed 's/^/     | /' >>"$work/$1.verdict"
}

unchanged() {
    local build=$1 name=$2
    if run "$build" gpu_func.cu "$name"; then
        verdict "$name" PASS "unchanged kernels pass the $build build"
    else
        verdict "$name" FAIL "unchanged kernels do not pass the $build build; mend them first:"
    fi
}

# defect BUILD CHECK WHAT FROM TO NAME: WHAT, planted by replacing FROM with TO, is caught by CHECK.
defect() {
    local build=$1 check=$2 what=$3 from=$4 to=$5 name=$6 text after status=0
    text=$(<gpu_func.cu)
    after=${text#*"$from"}
    if [[ $after == "$text" || $after == *"$from"* ]]; then
        echo "'$from' has to stand in gpu_func.cu exactly once" >"$work/$name.log"
        verdict "$name" FAIL "$what cannot be planted; adapt tests/gpuhost/planted.sh:"
        return
    fi
    printf '%s\n' "${text%%"$from"*}$to$after" >"$work/$name.cu"
    run "$build" "$work/$name.cu" "$name" || status=$?
    if ((status == 1)) && grep -qF "${words[$check]}" "$work/$name.log"; then
        verdict "$name" PASS "$what: caught by $check"
    elif ((status == 0)); then
        verdict "$name" FAIL "$what: not caught by $check, nor by anything else"
    else
        verdict "$name" FAIL "$what: not caught by $check, but this happened:"
    fi
}

# Starts a function in the background when fewer than $jobs run; the name of its files comes last.
count=0
start() {
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
    count=$((count + 1))
    "$@" "case$count" &
}

prepare plain & prepare asan & prepare tsan &
for _ in 1 2 3; do wait -n || { echo "planted.sh: the runner does not build" >&2; exit 1; }; done

start unchanged plain
start unchanged asan
start unchanged tsan

start defect tsan TSan 'a missing barrier after the GEMM slices are written' \
    '__syncthreads();  // both slices are complete' '//'
start defect plain NaN 'the same' \
    '__syncthreads();  // both slices are complete' '//'
start defect tsan TSan 'a missing barrier before the GEMM slices are written anew' \
    '__syncthreads();  // every thread has read the slices' '//'
start defect plain order 'the same' \
    '__syncthreads();  // every thread has read the slices' '//'
start defect tsan TSan 'a missing barrier in the tree of the sum of squares' \
    '__syncthreads();  // the last round' '//'
start defect tsan TSan 'a missing __syncwarp in the softmax' \
    '__syncwarp();  // lane 0 has read' '//'
start defect plain order 'the same' \
    '__syncwarp();  // lane 0 has read' '//'
start defect tsan TSan 'a sum that every block adds to, unordered' \
    'out[blockIdx.x] = partial[0]' 'out[0] = partial[0] + out[0]'
start defect tsan TSan 'tiles of neighbouring blocks that overlap' \
    'first_col = static_cast<int>(blockIdx.x) * T::n' \
    'first_col = static_cast<int>(blockIdx.x) * (T::n - 1)'
start defect plain runner 'a barrier in a divergent branch' \
    '__syncthreads();  // the first group' 'if (row < rows) __syncthreads();  //'
start defect plain runner 'a shuffle mask that leaves out a lane' \
    'all_lanes = 0xffffffffu' 'all_lanes = 0x7fffffffu'
start defect asan ASan 'an off-by-one global read' \
    'first + i < edge' 'first + i <= edge'
start defect asan ASan 'an off-by-one global write' \
    'if (i >= m || j >= n) continue;' 'if (i > m || j >= n) continue;'
start defect asan ASan 'an off-by-one shared write, through a pointer' \
    'partial[group][lane] = sum;' '(&partial[0][0])[threadIdx.x + 1] = sum;'
start defect asan UBSan 'an off-by-one shared read, by subscript' \
    'sum += partial[g][lane]' 'sum += partial[g + 1][lane]'
start defect asan UBSan 'a misaligned vector load from global memory' \
    '% sizeof(Pack<Real>) == 0' '% sizeof(Real) == 0'
start defect asan UBSan 'a misaligned vector store to shared memory' \
    'alignas(16) Real at[Depth]' 'Real at[Depth]'
start defect plain NaN 'a read of shared memory that was not written' \
    'slice.at[k][i] = inside ? x[address] : Real{0};' 'if (inside) slice.at[k][i] = x[address];'
start defect plain NaN 'a read of global memory that was not written' \
    'out = beta == 0 ? alpha * sum[r][s] :' 'out ='
wait

passed=0 failed=0
for ((i = 1; i <= count; ++i)); do
    cat "$work/case$i.verdict"
    if [[ $(<"$work/case$i.verdict") == PASS* ]]; then ((++passed)); else ((++failed)); fi
done
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
