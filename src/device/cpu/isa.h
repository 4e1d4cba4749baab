// isa.h: the instruction sets that code is compiled for several times, and the one to take.
#pragma once

enum class CpuIsa { baseline, avx2, avx512 };

/// Whether this processor and operating system run what -march=x86-64-v4 compiles.
bool has_avx512();

/// The widest set that was compiled and that this processor and operating system run.
CpuIsa widest_isa();
