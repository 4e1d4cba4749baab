// no_cublas.cpp: what device/gpu/cublas.h says on the kernel runner: there is no cuBLAS.
//
// cuBLAS needs a GPU and its driver; whoever asks is told so, and goes on without it.
#include <stdexcept>

#include "device/gpu/cublas.h"

struct Cublas::Library {};

Cublas::Cublas(cudaStream_t) : missing_("the kernel runner is a CPU; cuBLAS needs a GPU") {}
Cublas::~Cublas() = default;

bool Cublas::gemm(CublasBy, int, int, int, nn_real, CublasMatrix, CublasMatrix, nn_real, nn_real*,
                  int) {
    throw std::logic_error(missing_);
}
