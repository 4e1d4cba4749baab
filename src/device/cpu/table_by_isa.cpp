// table_by_isa.cpp: picks the table that was compiled for the instruction set of this process.
#include "device/cpu/isa.h"
#include "device/cpu/table.h"

extern const CpuFunctions cpu_functions_baseline;

#ifdef CPU_HAS_X86_ISAS
extern const CpuFunctions cpu_functions_avx2, cpu_functions_avx512;

const CpuFunctions& cpu_functions() {
    static const CpuFunctions* const tables[] = {&cpu_functions_baseline, &cpu_functions_avx2,
                                                 &cpu_functions_avx512};
    return *tables[static_cast<int>(isa_taken())];
}
#else
const CpuFunctions& cpu_functions() { return cpu_functions_baseline; }
#endif
