// isa.h: the instruction sets that code is compiled for several times, and the one to take.
#pragma once
#include "base/names.h"

/// In their order: a processor that runs one runs those before it. `automatic`, the last, stands
/// for the widest that there is.
enum class CpuIsa { baseline, avx2, avx512, automatic };

template <>
struct Names<CpuIsa> {
    static constexpr Named<CpuIsa> all[] = {{CpuIsa::automatic, "auto"},
                                            {CpuIsa::baseline, "baseline"},
                                            {CpuIsa::avx2, "avx2"},
                                            {CpuIsa::avx512, "avx512"}};
};

/// Whether this processor and operating system run what -march=x86-64-v4 compiles.
bool has_avx512();

/// The widest set that was compiled and that this processor and operating system run.
CpuIsa widest_isa();

/// From now on this process computes with `isa`, which is at most widest_isa(). To be called before
/// its first computation: libraries that choose for themselves then follow it too.
void take_isa(CpuIsa isa);

/// The set that this process computes with: the widest, unless take_isa() said otherwise.
CpuIsa isa_taken();
