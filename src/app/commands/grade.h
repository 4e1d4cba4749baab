// grade.h: ./main grade 4, which checks and times the GEMM at the course's sizes.
#pragma once
#include "comm/comm.h"

/// Prints a line for each size and each of: the hand-written kernel and cuBLAS, where there is a
/// GPU, and the CPU library. Rank 0 alone computes. Collective. Returns the exit code:
/// exit_check_failed where a result is not within its bound.
int grade_gemm(const Comm& comm);
