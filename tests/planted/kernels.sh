#!/usr/bin/env bash
# kernels.sh [all|one-of-each-kind|the-others]: proves that the kernel tests' net is sound, by planting defects in copies of the
# kernels, one at a time, and requiring that the check that is there for it catches each.
#
# The unchanged kernels have to pass every check. A defect is a piece of text that has to stand in
# its file exactly once, and what replaces it: where the kernels changed, change it here too.
# Builds are small (-O0); CXX, DOUBLE_FLAG and JOBS are taken from the environment. With
# one-of-each-kind every check is tried on its first defect alone, with the-others on all but that.
set -euo pipefail
cd "$(dirname "$0")/../.."

cxx=${CXX:-g++}
jobs=${JOBS:-$(nproc)}
kinds=${1:-all}
[[ $kinds =~ ^(all|one-of-each-kind|the-others)$ ]] || {
    echo "usage: tests/planted/kernels.sh [all|one-of-each-kind|the-others]" >&2
    exit 2
}
room=device/gpu
kernels=(gemm_fma head head_narrow parts persistent gpu_func)
[[ ${DOUBLE_FLAG:-} == *USE_DOUBLE* ]] || kernels+=(gemm_bf16x3 gemm_int8 digits)
mapfile -t runner < <(cd tests/gpuhost && basename -s .cpp -a gpuhost*.cpp)
# Objects of the tree as it is are kept there, until a source changes.
kept=build/planted/$(basename "$cxx")${DOUBLE_FLAG:-}
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
    [order]='depends on the order' [waits]='waited ten seconds' [plan]='depends on the plan'
    [sum]='is not the plain sum')
export ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=halt_on_error=1:atexit_sleep_ms=0

# What the driver calls the kernels of a file; those of an unchanged tree are all.
declare -A part_of=([gemm_fma]=fma [gemm_bf16x3]=bf16x3 [gemm_int8]=int8 [digits]=int8 [head]=head
    [head_narrow]=head [parts]=parts [persistent]=persistent [gpu_func]=course)

# place_of FILE: its folder; the course's kernels are at the top.
place_of() {
    if [[ $1 == gpu_func* ]]; then echo .; else echo "src/$room"; fi
}

# compile SOURCE OBJECT FLAGS...
compile() {
    local source=$1 object=$2
    shift 2
    $(command -v ccache || true) "$cxx" -std=c++20 -O0 -g1 -ffp-contract=off "${double_flag[@]}" -Wno-unknown-pragmas \
        "${@}" -I. -Isrc -Itests/gpuhost -x c++ -c "$source" -o "$object"
}
# keep BUILD SOURCE NAME FLAGS...: compiles what all defects share, unless it is there and newer than every source.
keep() {
    local object=$kept/$1/$3.o source=$2
    shift 3
    [[ -e $object && -z $(find src tests/gpuhost tests/planted gpu_func.* -newer "$object" -print -quit) ]] ||
        { compile "$source" "$object.new" "$@" && mv "$object.new" "$object"; } # whole, or not there
}

# All that is the same for every defect, and the kernels as they are.
prepare() {
    local build=$1 part
    mkdir -p "$kept/$build"
    for part in "${runner[@]}"; do # unsanitized: see fiber.h
        keep "$build" "tests/gpuhost/$part.cpp" "$part" -O2 ${told[$build]:+"${told[$build]}"}
    done
    for part in "${kernels[@]}"; do
        # shellcheck disable=SC2086 # several flags in one word
        keep "$build" "$(place_of "$part")/$part.cu" "$part" ${sanitizer[$build]}
    done
    # shellcheck disable=SC2086 # several flags in one word
    keep "$build" tests/planted/kernels_driver.cpp driver ${sanitizer[$build]}
    keep "$build" "src/$room/plan.cpp" plan
}

# run BUILD KERNELS NAME: links the driver with the file KERNELS.cu of the folder NAME, if it is
# there, and the other kernels as they are; runs it, all output to NAME/log. Returns 0 where the
# checks found nothing, 1 where one did, 2 where it did not build.
run() {
    local build=$1 changed=$2 name=$3 part objects=()
    local linked=("${runner[@]/#/$kept/$build/}")
    for part in "${kernels[@]}"; do
        if [[ $part == "$changed" ]]; then objects+=("$work/$name/changed.o"); else
            objects+=("$kept/$build/$part.o"); fi
    done
    # shellcheck disable=SC2086 # several flags in one word
    { { [[ -z $changed ]] || compile "$work/$name/$(place_of "$changed")/$changed.cu" "$work/$name/changed.o" "-I$work/$name/src" ${sanitizer[$build]}; } &&
        "$cxx" ${sanitizer[$build]} "${objects[@]}" \
            "$kept/$build"/{driver,plan}.o "${linked[@]/%/.o}" -lboost_context \
            -o "$work/$name/driver"; } >"$work/$name/log" 2>&1 || return 2
    # The outer redirection silences the shell, which reports an abort on its own.
    { timeout 300 "$work/$name/driver" "${orders[$build]}" ${changed:+"${part_of[$changed]}"} >>"$work/$name/log" 2>&1; } 2>/dev/null || return 1
}

# verdict NAME PASS|FAIL TEXT
verdict() {
    echo "$2 $3" >"$work/$1/verdict"
    [[ $2 == PASS ]] || tail -n 15 "$work/$1/log" | sed 's/^/     | /' >>"$work/$1/verdict"
}

unchanged() {
    local build=$1 name=$2
    if run "$build" '' "$name"; then
        verdict "$name" PASS "unchanged kernels pass the $build build"
    else
        verdict "$name" FAIL "unchanged kernels do not pass the $build build; mend them first:"
    fi
}

# defect BUILD CHECK FILE WHAT FROM TO NAME: WHAT, planted in FILE by replacing FROM with TO, is
# caught by CHECK. A defect in a header is tried with the kernels that include it.
defect() {
    local build=$1 check=$2 file=$3 what=$4 from=$5 to=$6 name=$7 text after status=0
    local changed=${file%.*} place
    place=$(place_of "$file")
    case $file in
        product.h | slices.h) changed=gemm_fma ;;
        runs.h) changed=parts ;;
        head.h) changed="head" ;;
        persistent*.h) changed=persistent ;;
    esac
    text=$(<"$place/$file")
    after=${text#*"$from"}
    if [[ $after == "$text" || $after == *"$from"* ]]; then
        echo "'$from' has to stand in $file exactly once" >"$work/$name/log"
        verdict "$name" FAIL "$what cannot be planted; adapt tests/planted/kernels.sh:"
        return
    fi
    mkdir -p "$work/$name/$place"
    cp "$place/$changed.cu" "$work/$name/$place"
    printf '%s\n' "${text%%"$from"*}$to$after" >"$work/$name/$place/$file"
    run "$build" "$changed" "$name" || status=$?
    if ((status == 1)) && grep -qF "${words[$check]}" "$work/$name/log"; then
        verdict "$name" PASS "$what ($file): caught by $check"
    elif ((status == 0)); then
        verdict "$name" FAIL "$what ($file): not caught by $check, nor by anything else"
    else
        verdict "$name" FAIL "$what ($file): not caught by $check, but this happened:"
    fi
}

# Starts a function in the background when fewer than $jobs run; the name of its files comes last.
count=0
declare -A tried=()
start() {
    if [[ $1 == defect ]]; then
        case $kinds,${tried[$3]:-first} in one-of-each-kind,again | the-others,first)
            tried[$3]=again
            return
            ;;
        esac
        tried[$3]=again
    fi
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
    count=$((count + 1))
    mkdir "$work/case$count"
    "$@" "case$count" &
}

prepare plain & prepare asan & prepare tsan &
for _ in 1 2 3; do wait -n || { echo "kernels.sh: the runner does not build" >&2; exit 1; }; done

start unchanged plain
start unchanged asan
start unchanged tsan

file=gemm_fma.cu
start defect tsan TSan $file 'a missing barrier between slices' \
    '__syncthreads();  // slice t is complete' '//'
start defect plain NaN $file 'the same' \
    '__syncthreads();  // slice t is complete' '//'
start defect plain runner $file 'a copy that nobody waits for' \
    'copy_async_wait<stages - 2>()' 'copy_async_wait<stages>()'
start defect tsan TSan $file 'a copy to a slice that is still read' \
    'stages - 1 : 1' 'stages : 1'
start defect tsan TSan $file 'tiles of neighbouring blocks that overlap' \
    'static_cast<int>(blockIdx.x) * T.n' 'static_cast<int>(blockIdx.x) * (T.n - 1)'
file=slices.h
start defect plain NaN $file 'a read of shared memory that was not written' \
    'copy_async<16>(&to.at[k][i + e], in.address() + e, in.whole());' \
    'if (in.whole()) copy_async<16>(&to.at[k][i + e], in.address() + e, true);'
start defect asan ASan $file 'an off-by-one global read' \
    'return AlongEdge ? i + e < x.edge && k' 'return AlongEdge ? i + e <= x.edge && k'
file=product.h
start defect tsan TSan $file 'sums that take the place of slices in use' \
    '__syncthreads();  // every thread is done' '//'
start defect tsan TSan $file 'sums of groups that are not waited for' \
    "__syncthreads();  // the groups' sums are there" '//'
start defect asan ASan $file 'an off-by-one global write' \
    'if (i >= x.m || j >= x.last) return;
    nn_real* const c' 'if (i >= x.m || j > x.last) return;
    nn_real* const c'
start defect plain runner $file 'a copy from a misaligned address' \
    '% alignof(Four<T>) == 0' '% sizeof(T) == 0'
start defect plain NaN $file 'a read of global memory that was not written' \
    'return out.beta == 0 ? s : s + out.beta * c.old;' 'return s + out.beta * out.c[c.at];'
start defect tsan TSan $file 'a part that is published before it is whole' \
    '__syncthreads();  // all of the part is written' '//'
start defect plain order $file 'parts that the last block adds to its own' \
    'own[f] = load_published(from);' ''
if [[ ${kernels[*]} == *bf16x3* ]]; then
    file=gemm_bf16x3.cu
    start defect tsan TSan $file 'a missing barrier between slices' \
        '__syncthreads();  // slice t is complete' '//'
    start defect plain runner $file 'a copy that nobody waits for' \
        'copy_async_wait<ahead - 1>()' 'copy_async_wait<ahead + 1>()'
    start defect plain runner $file 'a warp that leaves before it multiplies' \
        'float c[across][4] = {};' 'float c[across][4] = {}; if (place.lane == 31) return;'
    file=gemm_int8.cu
    start defect tsan TSan $file 'a missing barrier between slices' \
        '__syncthreads();  // slice t is complete' '//'
    start defect plain runner $file 'a copy that nobody waits for' \
        'copy_async_wait<stages - 2>()' 'copy_async_wait<stages>()'
    start defect plain sum $file 'a digit that is left out' \
        'rest += sums[digit][f][e];' 'rest += digit == 0 ? 0 : sums[digit][f][e];'
    start defect plain plan $file 'what a digit holds above a byte, without its sign' \
        'rest >>= 8;' 'rest = static_cast<std::int32_t>(static_cast<std::uint32_t>(rest) >> 8);'
    start defect plain plan $file 'a part that is rounded before it is added' \
        'to.at[0] += more.at[0];' \
        'to.at[0] = static_cast<std::int64_t>(static_cast<float>(to.at[0] + more.at[0]));'
    file=digits.cu
    start defect tsan TSan $file 'the largest of a row, taken too early' \
        '__syncthreads();  // the largest' '//'
    start defect tsan TSan $file 'words that change places too early' \
        '__syncthreads();  // the tile is complete' '//'
    start defect plain sum $file 'a digit with the wrong sign' \
        '^ 0x80808080u;' '^ 0x80808000u;'
    start defect plain sum $file 'a scale off by one' \
        '(283 - exponent)' '(282 - exponent)'
    start defect asan ASan $file 'an off-by-one global read' \
        'return row < g.a.edge && k < g.k' 'return row <= g.a.edge && k <= g.k'
fi
file=head.cu
start defect tsan TSan $file 'a window of weights that is read too early' \
    '__syncthreads();  // the window is complete' '//'
start defect tsan TSan $file 'deltas that are read too early' \
    '__syncthreads();  // all deltas are there' '//'
start defect plain runner $file 'a kernel that starts early and does not wait' \
    'wait_for_kernel_before();' ''
file=head.h
start defect tsan TSan $file 'a missing __syncwarp in the softmax' \
    '__syncwarp();  // every lane has read' '//'
start defect plain order $file 'the same' \
    '__syncwarp();  // every lane has read' '//'
start defect tsan TSan $file 'a missing __syncwarp in the other objectives' \
    '__syncwarp();  // the first logit' '//'
start defect plain runner $file 'a shuffle mask that leaves out a lane' \
    'all_lanes = 0xffffffffu' 'all_lanes = 0x7fffffffu'
file=head_narrow.cu
start defect tsan TSan $file 'weights that are read too early' \
    '__syncthreads();  // W is complete' '//'
start defect tsan TSan $file 'shares of logits that are added too early' \
    "__syncthreads();  // all warps' shares" '//'
start defect tsan TSan $file 'deltas that are read too early' \
    '__syncthreads();  // all deltas are there' '//'
start defect tsan TSan $file 'a gradient that is written out too early' \
    '__syncthreads();  // dW is complete' '//'
file=parts.cu
start defect tsan TSan $file 'a missing barrier in the tree of the sum of squares' \
    '__syncthreads();  // the last round' '//'
start defect tsan TSan $file 'a sum that every block adds to, unordered' \
    'out[blockIdx.x] = partial[0]' 'out[0] = partial[0] + out[0]'
start defect asan UBSan $file 'an off-by-one shared read, by subscript' \
    '+= partial[threadIdx.x + half]' '+= partial[threadIdx.x + half + 1]'
file=runs.h
start defect plain runner $file 'a barrier in a divergent branch' \
    '__syncthreads();  // the first group' 'if (inside) __syncthreads();  //'
start defect asan ASan $file 'an off-by-one shared write, through a pointer' \
    'memory[threadIdx.x] = sum;' 'memory[threadIdx.x + 1] = sum;'
file=persistent.cu
start defect tsan TSan $file 'shares of sums that are added too early' \
    "__syncthreads();  // every warp's share of z" '//'
start defect tsan TSan $file 'activations that are replaced while they are read' \
    "__syncthreads();  // the last step's activations" '//'
start defect tsan TSan $file 'deltas that are read too early' \
    '__syncthreads();  // the deltas of all samples' '//'
start defect tsan TSan $file 'pixels that are replaced while they are read' \
    '__syncthreads();  // W1 is new' '//'
start defect plain runner $file 'pixels that nobody waits for' \
    'copy_async_wait<0>();
        __syncthreads();  // W1' '__syncthreads();  // W1'
start defect tsan TSan $file 'an output layer that any block writes at any time' \
    'if (*m.ticket == gridDim.x - 1)' 'if (*m.ticket == 0)'
start defect plain order $file 'words of memory that was used before' \
    'exchange_.fill_bytes(0, gpu_.stream);  // no step' '// no step'
start defect plain order $file 'steps whose numbers are used again' \
    'next_step_ += static_cast<unsigned>(steps);' ''
file=persistent_step.h
start defect plain waits $file 'an exchange of one half' \
    'step % 2 * work.half' 'step % 1 * work.half'
start defect plain order $file 'activations that are read whatever their number' \
    'there = there && word[i].step == step;' ''
start defect plain waits $file 'a number that is published one step early' \
    'out.step = step;' 'out.step = step + 1;'
start defect tsan TSan $file 'activations by a plain store' \
    'publish(to + word, out)' 'to[word] = out'
start defect plain NaN $file 'activations by a plain load' \
    'word[i] = look_at(from + first + i * threads);' \
    'word[i] = look_at(from + first + i * threads); for (int e = 0; e < values_of_word; ++e) word[i].at[e] = from[first + i * threads].at[e];'
start defect plain runner $file 'an off-by-one global read of pixels' \
    'e < n * words; e += threads)' 'e <= n * words; e += threads)'
file=gpu_func.cu
start defect tsan TSan $file 'tiles that are read too early' \
    '__syncthreads();  // both tiles' '//'
start defect plain NaN $file 'the same' \
    '__syncthreads();  // both tiles' '//'
start defect tsan TSan $file 'tiles that are filled while they are read' \
    '__syncthreads();  // every thread has read the tiles' '//'
start defect plain order $file 'the same' \
    '__syncthreads();  // every thread has read the tiles' '//'
start defect plain runner $file 'a thread that leaves before the last tile' \
    'nn_real sum = 0;
    for (int k0' 'nn_real sum = 0;
    if (row + x >= m) return;
    for (int k0'
start defect tsan TSan $file 'a missing barrier in the tree of the outputs' \
    "__syncthreads();  // the last round's values" '//'
start defect tsan TSan $file 'a result of the tree that is read too early' \
    '__syncthreads();  // the result is there' '//'
start defect tsan TSan $file 'values that are replaced while they are read' \
    '__syncthreads();  // every thread has it' '//'
start defect asan ASan $file 'an off-by-one global read of an operand' \
    'const bool inside = i < edge && p < k;' 'const bool inside = i <= edge && p < k;'
start defect asan ASan $file 'an off-by-one shared read' \
    'sum += tile_a.at[p][x]' 'sum += tile_a.at[p + 1][x]'
wait

passed=0 failed=0
for ((i = 1; i <= count; ++i)); do
    cat "$work/case$i/verdict"
    if [[ $(<"$work/case$i/verdict") == PASS* ]]; then ((++passed)); else ((++failed)); fi
done
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
