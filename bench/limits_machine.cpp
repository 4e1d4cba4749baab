// limits_machine.cpp: what the processor and its memory reach.
//
// It is compiled for any processor of its kind: what needs AVX-512 or AMX is compiled for it
// function by function, and runs only where the processor has it.
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include <algorithm>
#include <barrier>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "limits_probe.h"

namespace {

/// The processors of whoever started this: mpirun may have bound this process to one of them.
std::vector<int> usable_cores() {
    cpu_set_t set;
    std::vector<int> cores;
    if (sched_getaffinity(getppid(), sizeof set, &set) == 0)
        for (int core = 0; core < CPU_SETSIZE; ++core)
            if (CPU_ISSET(core, &set)) cores.push_back(core);
    if (cores.empty()) throw std::runtime_error("Linux does not say which processors may be used");
    return cores;
}

/// Runs work(0) .. work(n - 1), each on a core of its own, from one moment on; seconds until the
/// last one ends.
template <class Work>
double on_cores(const std::vector<int>& cores, const Work& work) {
    std::barrier start(static_cast<std::ptrdiff_t>(cores.size()));
    std::vector<Clock::time_point> begins(cores.size()), ends(cores.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < cores.size(); ++i)
        threads.emplace_back([&, i] {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(cores[i], &set);
            sched_setaffinity(0, sizeof set, &set);
            start.arrive_and_wait();
            begins[i] = Clock::now();
            work(i);
            ends[i] = Clock::now();
        });
    for (std::thread& thread : threads) thread.join();
    return std::chrono::duration<double>(std::ranges::max(ends) - std::ranges::min(begins)).count();
}

// ------------------------------------------------------------------ multiply-add peak

// Twelve sums in registers: enough to hide a latency of four cycles on two units, few enough for
// the sixteen registers of AVX2. The empty asm makes the compiler believe that the sums are read.
constexpr int sums = 12;

// NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type.
// A macro, because a lambda or a function inlined here would not take over the target.
#define FMA_LOOP(name, target, Vector, set1, multiply_add)                   \
    target void name(long steps) {                                           \
        const Vector factor = set1(0.999f), term = set1(0.001f);             \
        Vector sum[sums];                                                    \
        for (Vector & s : sum) s = term;                                     \
        for (long step = 0; step < steps; ++step) {                          \
            _Pragma("GCC unroll 12") for (int i = 0; i < sums; ++i) sum[i] = \
                multiply_add(sum[i], factor, term);                          \
        }                                                                    \
        for (Vector & s : sum) asm volatile("" : : "m"(s));                  \
    }

// Where no fused multiply-add is known: a product and a sum of 16 bytes.
typedef float Floats __attribute__((vector_size(16)));
typedef double Doubles __attribute__((vector_size(16)));
#define PRODUCT_AND_SUM(a, b, c) ((a) * (b) + (c))
FMA_LOOP(generic_float, , Floats, Floats{} +, PRODUCT_AND_SUM)
FMA_LOOP(generic_double, , Doubles, Doubles{} +, PRODUCT_AND_SUM)

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))
FMA_LOOP(avx2_float, AVX2, __m256, _mm256_set1_ps, _mm256_fmadd_ps)
FMA_LOOP(avx2_double, AVX2, __m256d, _mm256_set1_pd, _mm256_fmadd_pd)
FMA_LOOP(avx512_float, AVX512, __m512, _mm512_set1_ps, _mm512_fmadd_ps)
FMA_LOOP(avx512_double, AVX512, __m512d, _mm512_set1_pd, _mm512_fmadd_pd)
#endif
// NOLINTEND(bugprone-macro-parentheses)

Probe fma_probe(const std::string& name, const std::vector<int>& cores, MultiplyAdds loop,
                int lanes) {
    constexpr long steps = 400'000;
    const double flop = 2.0 * sums * lanes * steps * static_cast<double>(cores.size());
    return {{{name, flop, "GFLOP/s"}},
            [=] { return on_cores(cores, [=](std::size_t) { loop(steps); }); }};
}

// ------------------------------------------------------------------ AMX peak

#if defined(__x86_64__)
/// Whether the processor has bf16 tiles and Linux lets this process use them. Before any thread.
bool take_amx() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;
    if ((d & amx_bf16) == 0 || (d & amx_tile) == 0) return false;
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

/// Six tiles of sums, as six products hide the latency of one; 16 x 16 sums over 32 pairs of bf16.
__attribute__((target("amx-tile,amx-bf16"))) void amx_products(long steps) {
    struct Config {
        std::uint8_t palette, start_row, reserved[14];
        std::uint16_t bytes_of_row[16];
        std::uint8_t rows[16];
    };
    // Static: g++ 12 believes that only the first 8 bytes of the configuration are read.
    alignas(64) static const Config config = {
        1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    alignas(64) static const std::uint16_t zeros[16 * 32] = {};
    _tile_loadconfig(&config);
    _tile_loadd(6, zeros, 64);
    _tile_loadd(7, zeros, 64);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    for (long step = 0; step < steps; ++step) {
        _tile_dpbf16ps(0, 6, 7);
        _tile_dpbf16ps(1, 6, 7);
        _tile_dpbf16ps(2, 6, 7);
        _tile_dpbf16ps(3, 6, 7);
        _tile_dpbf16ps(4, 6, 7);
        _tile_dpbf16ps(5, 6, 7);
    }
    _tile_release();
}

void add_amx_probes(std::vector<Probe>& probes, const std::vector<int>& cores) {
    if (!take_amx()) return;
    auto add = [&](const std::string& name, const std::vector<int>& used) {
        constexpr long steps = 200'000;
        const double flop = 2.0 * 16 * 16 * 32 * 6 * steps * static_cast<double>(used.size());
        probes.push_back({{{name, flop, "GFLOP/s"}}, [=] {
                              return on_cores(used, [](std::size_t) { amx_products(steps); });
                          }});
    };
    add("amx_gflops_1", {cores[0]});
    add("amx_gflops_all", cores);
}
#else
void add_amx_probes(std::vector<Probe>&, const std::vector<int>&) {}
#endif

// ------------------------------------------------------------------ memory

/// Memory of twice the last cache at least, its pages there.
struct Block {
    std::uint64_t* words;
    std::size_t count;

    Block() {
        const auto cache = static_cast<std::size_t>(std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE)));
        constexpr std::size_t least = std::size_t{256} << 20, most = std::size_t{1} << 30;
        const std::size_t bytes = std::clamp(2 * cache, least, most) / 4096 * 4096;
        void* memory =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            throw std::runtime_error("no room for the " + std::to_string(bytes >> 20) +
                                     " MiB of the memory probes; free some memory");
        madvise(memory, bytes, MADV_HUGEPAGE);  // advice: where it is not taken, small pages do
        std::memset(memory, 1, bytes);
        words = static_cast<std::uint64_t*>(memory);
        count = bytes / sizeof *words;
    }
};

/// Each core reads its part of the block.
Probe read_probe(const std::string& name, const std::vector<int>& cores, const Block& block) {
    const std::size_t part = block.count / cores.size() / 4 * 4;
    const double bytes = static_cast<double>(part * cores.size() * sizeof(std::uint64_t));
    return {{{name, bytes, "GB/s"}}, [=] {
                return on_cores(cores, [=](std::size_t i) {
                    // Four places at once, which keeps more loads under way than one does.
                    std::uint64_t sum[4] = {};
                    const std::size_t quarter = part / 4;
                    const std::uint64_t* words = block.words + i * part;
                    for (std::size_t at = 0; at < quarter; ++at)
                        for (std::size_t q = 0; q < 4; ++q) sum[q] += words[q * quarter + at];
                    asm volatile("" : : "m"(sum));
                });
            }};
}

/// Each core copies one half of its part to the other. Bytes read and bytes written both count.
Probe copy_probe(const std::string& name, const std::vector<int>& cores, const Block& block) {
    const std::size_t half = block.count / cores.size() / 2;
    const double bytes = static_cast<double>(2 * half * cores.size() * sizeof(std::uint64_t));
    return {{{name, bytes, "GB/s"}}, [=] {
                return on_cores(cores, [=](std::size_t i) {
                    std::uint64_t* from = block.words + i * 2 * half;
                    std::memcpy(from + half, from, half * sizeof *from);
                    asm volatile("" : : "r"(from) : "memory");
                });
            }};
}

}  // namespace

FmaPeak fma_peak() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return {avx512_float, avx512_double, 64};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return {avx2_float, avx2_double, 32};
#endif
    return {generic_float, generic_double, 16};
}

std::vector<Probe> machine_probes() {
    const std::vector<int> all = usable_cores(), one(1, all.at(0));
    const FmaPeak peak = fma_peak();
    std::vector<Probe> probes;
    probes.push_back(fma_probe("fma_gflops_1", one, peak.with_float, peak.bytes / 4));
    probes.push_back(fma_probe("fma_gflops_all", all, peak.with_float, peak.bytes / 4));
    probes.push_back(fma_probe("fma64_gflops_1", one, peak.with_double, peak.bytes / 8));
    probes.push_back(fma_probe("fma64_gflops_all", all, peak.with_double, peak.bytes / 8));
    add_amx_probes(probes, all);
    const Block block;
    probes.push_back(read_probe("memory_read_1", one, block));
    probes.push_back(read_probe("memory_read_all", all, block));
    probes.push_back(copy_probe("memory_copy_1", one, block));
    probes.push_back(copy_probe("memory_copy_all", all, block));
    return probes;
}
