// grade.h: grading mode 4, which judges and times the GEMM at the course's sizes.
#pragma once

/// Prints a line for each size and each of: the hand-written kernel and cuBLAS, where there is a
/// GPU, and the CPU library. Returns whether every result is within its bound.
bool grade_gemm();
