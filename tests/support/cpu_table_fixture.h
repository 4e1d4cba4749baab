// cpu_table_fixture.h: the CPU's functions for each instruction set that this processor runs.
#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "device/cpu/table.h"
#include "tests/support/host_memory.h"

extern const CpuFunctions cpu_functions_baseline;
#ifdef CPU_HAS_X86_ISAS
extern const CpuFunctions cpu_functions_avx2, cpu_functions_avx512;
#endif

/// The tables that this processor can run, the widest last.
inline std::vector<const CpuFunctions*> runnable_tables() {
    std::vector<const CpuFunctions*> tables{&cpu_functions_baseline};
#ifdef CPU_HAS_X86_ISAS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tables.push_back(&cpu_functions_avx2);
    if (__builtin_cpu_supports("x86-64-v4")) tables.push_back(&cpu_functions_avx512);
#endif
    return tables;
}

class CpuTable : public testing::TestWithParam<const CpuFunctions*> {
  protected:
    const CpuFunctions& f() const { return *GetParam(); }
};

/// x (rows x n) with rows of `pad` added, so that it has `padded` rows.
inline Reals with_rows_added(const Reals& x, int rows, int n, int padded, nn_real pad) {
    Reals y(elements(padded, n), pad);
    for (int j = 0; j < n; ++j)
        for (int i = 0; i < rows; ++i) y[at(i, j, padded)] = x[at(i, j, rows)];
    return y;
}
