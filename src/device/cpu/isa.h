// isa.h: the instruction sets for which code is compiled, and the one that this process takes.
#pragma once
#include "base/names.h"

/// In order: a processor that runs a set also runs those before it. `automatic`, the last, stands
/// for the widest set of the processor.
enum class CpuIsa { baseline, avx2, avx512, automatic };

template <>
struct Names<CpuIsa> {
    static constexpr Named<CpuIsa> all[] = {{CpuIsa::automatic, "auto"},
                                            {CpuIsa::baseline, "baseline"},
                                            {CpuIsa::avx2, "avx2"},
                                            {CpuIsa::avx512, "avx512"}};
};

/// True if this processor and operating system run what -march=x86-64-v4 compiles.
bool has_avx512();

/// The widest set for which code was compiled and that this processor and operating system run.
CpuIsa widest_isa();

/// From now on this process computes with `isa`, which must be at most widest_isa(). Call it before
/// the first computation.
void take_isa(CpuIsa isa);

/// The set that this process computes with: that of take_isa(), or without a call the widest.
CpuIsa isa_taken();
