// cpu_table_fixture.h: the CPU's functions for each instruction set that this processor runs.
//
// The tests have one table more than the program: `wide`, vectors of 64 bytes in plain C++, so that
// the shapes and masks of AVX-512 are tested on every machine.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "device/cpu/isa.h"
#include "device/cpu/table.h"
#include "tests/support/host_memory.h"

extern const CpuFunctions cpu_functions_baseline, cpu_functions_wide;
#ifdef CPU_HAS_X86_ISAS
extern const CpuFunctions cpu_functions_avx2, cpu_functions_avx512;
#endif

/// The tables that this processor can run; the last is the one that the program takes.
inline std::vector<const CpuFunctions*> runnable_tables() {
    std::vector<const CpuFunctions*> tables{&cpu_functions_wide, &cpu_functions_baseline};
#ifdef CPU_HAS_X86_ISAS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tables.push_back(&cpu_functions_avx2);
    if (has_avx512()) tables.push_back(&cpu_functions_avx512);
#endif
    return tables;
}

class CpuTable : public testing::TestWithParam<const CpuFunctions*> {
  protected:
    const CpuFunctions& f() const { return *GetParam(); }
    int whole_vectors(int count) const { return ceil_div(count, f().lanes) * f().lanes; }
};

inline std::string name_of_table(const testing::TestParamInfo<const CpuFunctions*>& table) {
    return table.param->name;
}

/// Units around the vectors and blocks of vectors of every instruction set.
inline constexpr int unit_counts[] = {1,   7,   8,   9,   15,  16,  17,  63,  64,  65, 100,
                                      127, 128, 129, 191, 193, 200, 207, 208, 209, 417};
