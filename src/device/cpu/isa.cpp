// isa.cpp: asks the processor, and takes the functions that were compiled for what it has.
#include "device/cpu/isa.h"

#include "device/cpu/table.h"

extern const CpuFunctions cpu_functions_baseline;

#ifdef __x86_64__
bool has_avx512() {
    // Not "x86-64-v4", a name that older compilers do not know.
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
#else
bool has_avx512() { return false; }
#endif

#ifdef CPU_HAS_X86_ISAS
extern const CpuFunctions cpu_functions_avx2, cpu_functions_avx512;

CpuIsa widest_isa() {
    if (has_avx512()) return CpuIsa::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CpuIsa::avx2;
    return CpuIsa::baseline;
}

const CpuFunctions& cpu_functions() {
    static const CpuFunctions* const tables[] = {&cpu_functions_baseline, &cpu_functions_avx2,
                                                 &cpu_functions_avx512};
    return *tables[static_cast<int>(widest_isa())];
}
#else
CpuIsa widest_isa() { return CpuIsa::baseline; }
const CpuFunctions& cpu_functions() { return cpu_functions_baseline; }
#endif
