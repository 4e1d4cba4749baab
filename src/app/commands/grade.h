// grade.h: ./main grade 4, which checks and times the GEMM at the course's sizes.
#pragma once
#include "comm/comm.h"

/// Prints a line for each size and each contender: the CPU library, and, if there is a GPU, the
/// hand-written kernel and cuBLAS. Only rank 0 computes. Collective. Returns the exit code, which
/// is exit_check_failed if a result is not within its bound.
int grade_gemm(const Comm& comm);
