// isa.cpp: asks the processor for its instruction sets, and stores the one that the process takes.
#include "device/cpu/isa.h"

#ifdef __x86_64__
bool has_avx512() {
    // Not "x86-64-v4", because older compilers do not know that name.
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
#else
bool has_avx512() { return false; }
#endif

CpuIsa widest_isa() {
#ifdef CPU_HAS_X86_ISAS
    if (has_avx512()) return CpuIsa::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CpuIsa::avx2;
#endif
    return CpuIsa::baseline;
}

namespace {

CpuIsa& taken() {
    static CpuIsa isa = widest_isa();
    return isa;
}

}  // namespace

void take_isa(CpuIsa isa) { taken() = isa; }
CpuIsa isa_taken() { return taken(); }
